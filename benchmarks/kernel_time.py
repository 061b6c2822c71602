"""What the programs cost the kernel, by its own statistics, net of what the statistics cost themselves."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks import probes, servers

SOCKETS = 2
"""Both ends are on this host, and both are observed."""


def of_requests(home: Path, seconds: int) -> dict[str, float]:
    """Nanoseconds of an HTTP request and observed socket, both directions."""
    with servers.nginx(home / "nginx") as port, probes.statistics():
        load = partial(servers.keepalive_requests, port, seconds)
        own = _empty_run(load)
        with probes.agent(home / "agent") as agent:
            servers.keepalive_requests(port, 1)
            counted = _settled(agent)
            time_ns, runs = _spent(agent.runs, load)
            requests = (_settled(agent) - counted) / SOCKETS
    return {
        "request_ns": (time_ns - runs * own) / (requests * SOCKETS),
        "run_ns": time_ns / runs - own,
        "statistics_ns": own,
        "requests": requests,
    }


def of_bulk(home: Path, seconds: int) -> dict[str, float]:
    """Nanoseconds of a bulk packet against a program that does nothing, statistics included in both."""
    with servers.iperf(home) as port, probes.statistics():
        load = partial(servers.bulk, port, seconds)
        own = _empty_run(load)
        with probes.agent(home / "agent") as agent:
            time_ns, runs = _spent(agent.runs, load)
    packet = time_ns / runs
    return {"packet_ns": packet - own, "empty_ns": own, "ratio": packet / own}


def _empty_run(load: Callable[[], object]) -> float:
    """Nanoseconds of a run of programs that do nothing, statistics included."""
    with probes.empty():
        time_ns, runs = _spent(probes.empty_runs, load)
    return time_ns / max(1, runs)


def _spent(total: Callable[[], tuple[int, int]], load: Callable[[], object]) -> tuple[int, int]:
    """Nanoseconds and runs under a load."""
    before = total()
    load()
    after = total()
    return after[0] - before[0], after[1] - before[1]


def _settled(agent: probes.Agent) -> int:
    """Return the count once two ticks agree."""
    last = -1
    for _ in range(20):
        time.sleep(1.2)
        now = agent.requests()
        if now == last:
            return now
        last = now
    return last
