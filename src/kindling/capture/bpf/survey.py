"""What this kernel can do: each feature tried, and what came of it."""

from __future__ import annotations

import errno
from collections.abc import Iterable
from dataclasses import dataclass

from kindling.capture.bpf.features import FEATURES, Feature
from kindling.capture.bpf.loader import raise_memlock
from kindling.errors import KindlingError, PrivilegeError, VerifierError


@dataclass(frozen=True, slots=True)
class Finding:
    name: str
    needed: bool
    present: bool
    forbidden: bool
    """The kernel may have it: this process is not allowed to try."""
    detail: str
    without: str


def survey(features: Iterable[Feature] | None = None) -> list[Finding]:
    """Try each feature. Never raises."""
    raise_memlock()
    return [_try(feature) for feature in (FEATURES if features is None else features)]


def _try(feature: Feature) -> Finding:
    forbidden = False
    try:
        detail, present = feature.probe(), True
    except VerifierError as error:
        detail, present = error.log.strip().splitlines()[-1] if error.log.strip() else str(error), False
    except KindlingError as error:
        detail, present, forbidden = str(error), False, isinstance(error, PrivilegeError)
    except OSError as error:
        detail, present, forbidden = error.strerror or str(error), False, error.errno in {errno.EPERM, errno.EACCES}
    return Finding(feature.name, feature.needed, present, forbidden, detail, feature.without)
