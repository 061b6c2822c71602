"""`kindling external`"""

from __future__ import annotations

from kindling.cli.show import asking_command
from kindling.export.tables import EXTERNAL

command = asking_command(
    EXTERNAL,
    """\
Destinations outside this host: what is neither loopback nor an address of this host.

\b
  kindling external                      where most connections go
  kindling external --sort bytes_out     where most bytes go
  kindling external --sort first_seen    what is new
  kindling external --sort failures      what does not answer
  kindling external --output json | jq -r '.rows[].destination' | sort -u

KNOWN BY says how the name is known: "host" and "sni" are what the connection itself said, "dns" is an
answer seen before, "address" means that no name is known.
""",
)
