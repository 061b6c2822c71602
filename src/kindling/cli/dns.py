"""`kindling dns`"""

from __future__ import annotations

from kindling.cli.show import asking_command
from kindling.export.tables import DNS

command = asking_command(
    DNS,
    """\
Names that were asked for, with the outcome and the newest answer.

\b
  kindling dns                           the most frequent ones
  kindling dns --sort error              what was not found
  kindling dns --sort mean_ns            what took longest
  kindling dns --destination '*.internal' --since today
  kindling dns --output ndjson --watch 5
  kindling dns --output json | jq -r '.rows[].question' | sort -u

OUTCOME is the answer's code (NOERROR, NXDOMAIN, ...) or "no answer"; ANSWER shows the last record with
its time to live.
""",
)
