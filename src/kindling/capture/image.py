"""The probe's object: where it is, and its constants."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from kindling.capture.bpf.program import BpfObject
from kindling.capture.parameters import configure
from kindling.errors import KindlingError

OBJECT: Final = "kindling.bpf.o"


def read_object(name: str = OBJECT) -> bytes:
    """Return a built object: of the installed package, or of a source checkout's build/."""
    package = Path(__file__).resolve().parents[1]
    for path in (package / "_probe" / name, package.parents[1] / "build" / name):
        try:
            return path.read_bytes()
        except OSError:
            continue
    raise KindlingError(f"The probe's object {name} is not there.", hint="Build it with `make build`.")


def parse_probe(image: bytes | None = None, slow_ns: Mapping[int, int] | None = None) -> BpfObject:
    """Return the probe, its constants set, ready to be loaded."""
    parsed = BpfObject.parse(read_object() if image is None else image)
    configure(parsed.constant("config"), slow_ns or {})
    return parsed
