"""What the probe is told before it starts (struct config of bpf/state.h)."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kindling.errors import LayoutError

OP_BUDGET: Final = 1_000
"""Operations of one owner; what is beyond is counted as the operation `other`."""
EVENT_LIMIT: Final = 200
"""Single requests and failures a second, and as many DNS answers; the rest is counted as held back."""
SLOW_NS: Final = 500_000_000
"""For protocols of which nothing else is said."""
DNS_PORT: Final = 53
NTP_PORT: Final = 123
SYN_RETRIES: Final = 6
"""The kernel's default of net.ipv4.tcp_syn_retries."""
EPHEMERAL_LOW: Final = 32_768
"""The kernel's default of net.ipv4.ip_local_port_range."""


def configure(config: NDArray[np.void], slow_ns: Mapping[int, int]) -> None:
    """Set the probe's constants. `slow_ns`: from which duration on a request is slow, by number of the protocol."""
    known = config.dtype.names or ()
    values: dict[str, int] = {
        "seed": _seed(),
        "op_budget": OP_BUDGET,
        "event_limit": EVENT_LIMIT,
        "ephemeral_low": ephemeral_low(),
        "dns_port": DNS_PORT,
        "ntp_port": NTP_PORT,
        "syn_retries": syn_retries(),
    }
    for name, value in values.items():
        if name not in known:
            raise LayoutError(f"The probe's object has no setting {name!r}.", hint="`make build`.")
        config[name] = value
    thresholds = config["slow_ns"]
    thresholds[...] = SLOW_NS
    for protocol, limit in slow_ns.items():
        if protocol < len(thresholds):
            thresholds[protocol] = limit


def ephemeral_low(path: Path = Path("/proc/sys/net/ipv4/ip_local_port_range")) -> int:
    """Return the first port that the kernel gives to sockets that ask for none."""
    try:
        return int(path.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return EPHEMERAL_LOW


def syn_retries(path: Path = Path("/proc/sys/net/ipv4/tcp_syn_retries")) -> int:
    """Return how often the kernel sends a SYN again before it gives a connection up."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return SYN_RETRIES


def _seed(path: Path = Path("/proc/sys/kernel/random/boot_id")) -> int:
    """Ids differ from boot to boot and not from agent to agent."""
    try:
        text = path.read_bytes()
    except OSError:
        text = b""
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "little")
