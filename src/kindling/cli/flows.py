"""`kindling flows`"""

from __future__ import annotations

from kindling.cli.show import asking_command
from kindling.export.tables import FLOWS

command = asking_command(
    FLOWS,
    """\
Every connection between a workload of this host and a remote endpoint.

\b
  kindling flows                         the latest ones
  kindling flows --sort bytes_out        who sends most
  kindling flows --sort failures         what does not come to be, and why
  kindling flows --workload nginx --role server --port 443
  kindling flows --destination '*.example.org' --since 1h
  kindling flows --watch                 again and again
  kindling flows --output csv > flows.csv
  kindling flows --output json | jq -r '.rows[] | select(.protocol=="tls") | .name'

A client's PEER is name:port of the server, as the connection itself (Host, SNI) or a DNS answer
names it; a server's is :port < the client. Failures carry their reason: refused, reset, timeout,
unreachable, local, aborted.
""",
)
