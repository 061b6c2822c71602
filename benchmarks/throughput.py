"""What is left of the throughput: nothing attached, empty programs, the agent, in turns and in random order."""

from __future__ import annotations

import contextlib
import random
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import probes, servers, syscalls

MODES = ("none", "none", "empty", "agent")
"""Twice without anything: their mean is the baseline, their difference the noise."""


def kept(home: Path, rounds: int, seconds: int) -> dict[str, dict[str, list[float]]]:
    """Ratios to the baseline of the same round, by workload and mode."""
    ratios: dict[str, dict[str, list[float]]] = {}
    with servers.nginx(home / "nginx") as web, servers.redis(home / "redis") as store:
        workloads: dict[str, Callable[[], float]] = {
            "nginx": lambda: servers.keepalive_requests(web, seconds),
            "redis": lambda: servers.redis_gets(store, 40_000 * seconds),
            "connects": lambda: servers.short_connections(web, 8_000 * seconds),
            **syscalls.WORKLOADS,
        }
        for work in workloads.values():
            work()
        for number in range(rounds):
            order = list(MODES)
            random.shuffle(order)
            values: dict[str, dict[str, list[float]]] = {name: {} for name in workloads}
            for mode in order:
                with _attached(mode, home / f"agent-{number}"):
                    for name, work in workloads.items():
                        values[name].setdefault(mode, []).append(work())
            for name, of_mode in values.items():
                baseline = statistics.mean(of_mode["none"])
                for mode in ("none", "empty", "agent"):
                    ratios.setdefault(name, {}).setdefault(mode, []).append(of_mode[mode][-1] / baseline)
    return ratios


@contextlib.contextmanager
def _attached(mode: str, home: Path) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        if mode == "empty":
            stack.enter_context(probes.empty())
        elif mode == "agent":
            stack.enter_context(probes.agent(home))
        yield
