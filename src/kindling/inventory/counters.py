"""What is counted of an entry, in the order of the columns."""

from __future__ import annotations

from typing import Final

from kindling.model import EVIDENCE_ORDER
from kindling.model.codes import FAILURE_NAMES

EVIDENCE: Final = EVIDENCE_ORDER

FAILED: Final = tuple(f"failed_{reason}" for reason in FAILURE_NAMES)
BY_EVIDENCE: Final = tuple(f"by_{evidence.replace('-', '_')}" for evidence in EVIDENCE)

#: What a row of the live table counts.
TOTALS: Final = ("connections", "bytes_out", "bytes_in", *FAILED)
#: The same, and connections by the evidence of their name.
COUNTERS: Final = (*TOTALS, *BY_EVIDENCE)

#: What an evidence adds to the counters of BY_EVIDENCE, for each connection.
EVIDENCE_UNITS: Final = {evidence: tuple(int(other == evidence) for other in EVIDENCE) for evidence in EVIDENCE}
