"""DNS (RFC 1035, 3596, 9460): operations of queries, content of answers."""

from kindling.protocols.dns.codes import rcode_name, type_name
from kindling.protocols.dns.message import Message, parse
from kindling.protocols.dns.operation import DNS

__all__ = ["DNS", "Message", "parse", "rcode_name", "type_name"]
