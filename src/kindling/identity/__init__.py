"""Who is behind a socket, and where an address is: /proc, cgroups, container runtimes, sock_diag."""

from kindling.identity.addresses import Scope, own_addresses, scope
from kindling.identity.identifier import Identifier

__all__ = ["Identifier", "Scope", "own_addresses", "scope"]
