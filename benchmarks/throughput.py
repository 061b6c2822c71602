"""What is left of the throughput: nothing attached, empty programs, the agent; slices in turns, in random order."""

from __future__ import annotations

import contextlib
import random
import statistics
from pathlib import Path

from benchmarks import load, probes, servers

MODES = ("none", "none", "empty", "agent")
"""Twice without anything: their mean is the baseline, their difference the noise."""

Ratios = dict[str, dict[str, list[float]]]


def kept(home: Path, rounds: int, seconds: float) -> Ratios:
    """Ratios to the baseline of the same round, by workload and mode.

    One agent runs all the time; its programs are attached and detached, so that a round takes seconds, and what else
    goes on on the machine meets all modes.
    """
    ratios: Ratios = {name: {mode: [] for mode in MODES} for name in (*load.NETWORK, *load.CALLS)}
    with (
        probes.agent(home / "agent") as agent,
        servers.nginx(home / "nginx") as web,
        servers.redis(home / "redis") as store,
        probes.switch(agent.pid) as attached,
        probes.loaded_empty() as empty,
    ):
        ports = {"http": web, "connects": web, "redis": store}
        modes = {"none": contextlib.nullcontext, "empty": empty, "agent": attached}
        for name in ratios:
            load.rate(name, seconds, ports.get(name, 0))
        for _ in range(rounds):
            for name, of_mode in ratios.items():
                values: dict[str, list[float]] = {}
                for mode in random.sample(MODES, len(MODES)):
                    with modes[mode]():
                        values.setdefault(mode, []).append(load.rate(name, seconds, ports.get(name, 0)))
                baseline = statistics.mean(values["none"])
                for mode, rates in values.items():
                    of_mode[mode] += [rate / baseline for rate in rates]
    return ratios


def quartiles(values: list[float]) -> tuple[float, float, float]:
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high
