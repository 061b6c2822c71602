"""What a metric family is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

FamilyType = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True, slots=True)
class Family:
    """A metric family. `unit` is what one unit of the value is, "" for a plain number."""

    name: str
    type: FamilyType
    unit: str
    help: str
    labels: tuple[str, ...] = ()

    def heading(self, *, openmetrics: bool) -> str:
        """The lines before the samples. OpenMetrics names a counter without `_total`, and allows only units with
        which the name ends.
        """
        if not openmetrics:
            return f"# HELP {self.name} {self.help}\n# TYPE {self.name} {self.type}\n"
        name = self.name.removesuffix("_total") if self.type == "counter" else self.name
        unit = f"# UNIT {name} {self.unit}\n" if self.unit and name.endswith(f"_{self.unit}") else ""
        return f"# HELP {name} {self.help}\n# TYPE {name} {self.type}\n{unit}"
