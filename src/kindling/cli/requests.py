"""`kindling requests`"""

from __future__ import annotations

from kindling.cli.show import asking_command
from kindling.export.tables import REQUESTS

command = asking_command(
    REQUESTS,
    """\
Requests of known protocols (HTTP/1, DNS, NTP), by operation and status.

\b
  kindling requests                      the most frequent ones
  kindling requests --sort error         failed ones first
  kindling requests --sort mean_ns       the slowest ones first
  kindling requests --protocol http --workload shop --search /users
  kindling requests --output markdown --limit 10 >> report.md
  kindling requests --output json | jq '[.rows[].count] | add'

Variable parts of a path are collapsed: /users/17 and /users/18 are /users/*. Connections that did not
come to be are in `kindling flows`. Latency runs from the first byte of the request to the last of the
response.
""",
)
