"""What the programs cost the kernel, by its own statistics, net of what the statistics cost themselves."""

from __future__ import annotations

from pathlib import Path

from benchmarks import probes, servers

SOCKETS = 2
"""Both ends are on this host, and both are observed."""


def of_requests(home: Path, seconds: int) -> dict[str, float]:
    """Nanoseconds of an HTTP request and observed socket, both directions."""
    with servers.nginx(home / "nginx") as port, probes.statistics():
        with probes.empty():
            before = probes.empty_runs()
            servers.keepalive_requests(port, seconds)
            after = probes.empty_runs()
        own = (after[0] - before[0]) / max(1, after[1] - before[1])
        with probes.agent(home / "agent") as agent:
            servers.keepalive_requests(port, 1)
            counted, before = _settled(agent), agent.runs()
            servers.keepalive_requests(port, seconds)
            after = agent.runs()
            requests = (_settled(agent) - counted) / SOCKETS
    time_ns, runs = after[0] - before[0], after[1] - before[1]
    return {
        "request_ns": (time_ns - runs * own) / (requests * SOCKETS),
        "run_ns": time_ns / runs - own,
        "statistics_ns": own,
        "requests": requests,
    }


def of_bulk(home: Path, seconds: int) -> dict[str, float]:
    """Nanoseconds of a bulk packet against a program that does nothing, statistics included in both."""
    with servers.iperf(home) as port, probes.statistics():
        with probes.empty():
            before = probes.empty_runs()
            servers.bulk(port, seconds)
            after = probes.empty_runs()
        own = (after[0] - before[0]) / max(1, after[1] - before[1])
        with probes.agent(home / "agent") as agent:
            before = agent.runs()
            servers.bulk(port, seconds)
            after = agent.runs()
    packet = (after[0] - before[0]) / (after[1] - before[1])
    return {"packet_ns": packet - own, "empty_ns": own, "ratio": packet / own}


def _settled(agent: probes.Agent) -> int:
    """Return the count once two ticks agree."""
    import time

    last = -1
    for _ in range(20):
        time.sleep(1.2)
        now = agent.requests()
        if now == last:
            return now
        last = now
    return last
