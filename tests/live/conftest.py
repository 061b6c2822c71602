"""Real programs in network namespaces, and the probe that watches them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kindling.capture.live import LiveSource

pytest.register_assert_rewrite("live.probe")

from live.netns import Link, link  # noqa: E402
from live.probe import Probe, attach  # noqa: E402


@pytest.fixture(scope="session")
def source() -> Iterator[LiveSource]:
    """The probe, loaded once: the kernel takes a while to verify it."""
    with attach() as attached:
        attached.adopt({})
        yield attached


@pytest.fixture(scope="module")
def probe(source: LiveSource) -> Probe:
    return Probe(source)


@pytest.fixture
def net() -> Iterator[Link]:
    """A network that no test used before: its addresses tell whose rows are whose."""
    with link() as made:
        yield made
