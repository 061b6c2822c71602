"""What is remembered of each slot, so that a later process knows whether it changed in between."""

from __future__ import annotations

from typing import Final

import numpy as np

MARK: Final = np.dtype([("at", "<f8"), ("sum", "<u8")])
"""Unix seconds of the last change, and the sum of all that was read then."""
