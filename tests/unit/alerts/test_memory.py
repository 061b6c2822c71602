"""Alerts with the durable list as their memory: told once, over restarts too."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from factories import NOON, flow, snapshot
from kindling.alerts import Alerting
from kindling.config import Alerts, Inventory
from kindling.inventory import Recorder
from unit.inventory.store_factory import BOOT, Clock, Said

KINDS = ("destination", "port", "direct", "plaintext", "resolver")
PATIENCE = 10


class Agent:
    """Reads its rows whenever it is asked, a second later each time."""

    def __init__(self, folder: Path, *rows: Any) -> None:
        self.rows = list(rows)
        self._clock = Clock(0.0)
        self._now = NOON - 1
        inventory = Inventory(learning_seconds=0.0, write_seconds=0.05)
        self._recorder = Recorder(folder, inventory, Said(), boot=BOOT, clock=self._clock)
        self._recorder.start()
        settings = Alerts(settle_seconds=0.0, warmup_seconds=0.0, resolvers=("192.0.2.53",))
        self._alerting = Alerting(settings, self._recorder, Said())

    def meets(self, row: Any) -> None:
        row.first_seen = row.last_seen = self._now + 1
        self.rows.append(row)

    def told(self) -> dict[str, float]:
        self._now += 1
        self._clock.now += 1
        shown = snapshot(time=self._now, since=NOON, flows=self.rows)
        self._recorder.observe(shown)
        self._alerting.observe(shown)
        stats = self._alerting.stats()
        return {kind: stats[f"external_new.{kind}"] for kind in KINDS if stats[f"external_new.{kind}"]}

    def comes_to_tell(self, wanted: dict[str, float]) -> None:
        until(lambda: self.told() == wanted)
        for _ in range(5):
            assert self.told() == wanted

    def close(self) -> None:
        self._alerting.close()
        self._recorder.close()


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def bare(**values: Any) -> Any:
    return flow(**{"name": "", "evidence": "address", "opened": 1} | values)


def some() -> list[Any]:
    """New destinations all; the first is reached by its address, the others in the clear and as a resolver."""
    return [
        bare(remote_ip="198.51.100.7"),
        flow(opened=1, protocol="http", port=80, remote_ip="198.51.100.80", name="plain.example.org"),
        bare(protocol="dns", transport="udp", port=53, remote_ip="198.51.100.1"),
    ]


FIRST = {"destination": 3.0, "direct": 1.0, "plaintext": 1.0, "resolver": 1.0}


def test_all_kinds_are_told_once_over_restarts(tmp_path: Path) -> None:
    first = Agent(tmp_path, *some())
    first.comes_to_tell(FIRST)
    first.meets(bare(remote_ip="198.51.100.7", port=8443))
    first.comes_to_tell(FIRST | {"port": 1.0})
    first.close()
    second = Agent(tmp_path, *some(), flow(opened=1, name="new.example.org"))
    second.comes_to_tell({"destination": 1.0})
    second.close()
