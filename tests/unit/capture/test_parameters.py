from pathlib import Path

import numpy as np
import pytest

from kindling.capture.parameters import EPHEMERAL_LOW, configure, ephemeral_low
from kindling.errors import LayoutError

CONFIG = np.dtype(
    [
        ("seed", "<u8"),
        ("slow_ns", "<u8", 4),
        ("op_budget", "<u4"),
        ("event_limit", "<u4"),
        ("ephemeral_low", "<u2"),
        ("dns_port", "<u2"),
        ("ntp_port", "<u2"),
        ("pad", "<u2"),
        ("syn_retries", "<u4"),
    ]
)


def test_slow_is_what_was_said_or_half_a_second() -> None:
    config = np.zeros((), CONFIG)
    configure(config, {3: 7, 99: 8})
    assert config["slow_ns"].tolist() == [500_000_000] * 3 + [7]
    assert config["dns_port"] == 53


def test_ids_are_the_same_until_the_next_boot() -> None:
    first, second = np.zeros((), CONFIG), np.zeros((), CONFIG)
    configure(first, {})
    configure(second, {})
    assert first["seed"] == second["seed"] != 0


def test_a_probe_of_other_sources_is_refused() -> None:
    with pytest.raises(LayoutError, match="seed"):
        configure(np.zeros((), np.dtype([("other", "<u8")])), {})


def test_the_first_port_the_kernel_hands_out(tmp_path: Path) -> None:
    path = tmp_path / "range"
    assert ephemeral_low(path) == EPHEMERAL_LOW
    path.write_text("40000\t60999\n")
    assert ephemeral_low(path) == 40000
    path.write_text("nonsense")
    assert ephemeral_low(path) == EPHEMERAL_LOW
