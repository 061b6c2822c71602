"""Who is behind a socket, and where an address is: /proc, cgroups, container runtimes, sock_diag."""

from kindling.identity.addresses import own_addresses
from kindling.identity.host import Host
from kindling.identity.identifier import Identifier
from kindling.identity.scope import Place, Scopes

__all__ = ["Host", "Identifier", "Place", "Scopes", "own_addresses"]
