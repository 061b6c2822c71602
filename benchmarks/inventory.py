"""The durable list with 10,000 destinations and 1,000 workloads: `python -m benchmarks.inventory`.

A process of its own holds what an agent holds (rows, exporter, list, HTTP) while rows change; this one asks it as users
do. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from kindling.inventory.writer import CHUNK

if TYPE_CHECKING:
    from kindling.model import Snapshot

DESTINATIONS = 10_000
WORKLOADS = 1_000
CHANGING = 0.05
"""Share of all rows that changes within a second."""
RUNS = 7


def measure(home: Path, *, changing: float = CHANGING) -> dict[str, float]:
    """Share of a core and bytes/s of writing, from one write of all that changed to the next; resident memory after a
    scrape and every kind of question; times of questions. Takes minutes: what is much is written seldom.
    """
    home.mkdir(parents=True, exist_ok=True)
    with _agent(home, changing) as (process, url):
        _wait_until_written(url)
        table = _asked(url, [])
        groups = _asked(url, ["--group-by", "domain"])
        whole = _asked(url, ["--output", "json"])
        before, began = _stats(url), time.monotonic()
        wrote = _written(process.pid)
        with urllib.request.urlopen(f"{url}/metrics") as answer:
            answer.read()
        observe = _wait_for_the_next_write(url)
        after, lasted = _stats(url), time.monotonic() - began
        return {
            "rows": after["inventory.rows"],
            "period_s": lasted,
            "write_cpu_percent": 100 * (after["inventory.write_seconds"] - before["inventory.write_seconds"]) / lasted,
            "write_kb_s": (after["inventory.bytes_written"] - before["inventory.bytes_written"]) / lasted / 1000,
            "disk_kb_s": (_written(process.pid) - wrote) / lasted / 1000,
            "observe_ms": observe,
            "table_ms": table,
            "groups_ms": groups,
            "json_ms": whole,
            "rss_mib": _resident(process.pid),
            "file_mib": (home / "inventory.db").stat().st_size / (1 << 20),
        }


@contextmanager
def _agent(home: Path, changing: float) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-m", "benchmarks.inventory", "--serve", str(home), "--changing", str(changing)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.terminate()


def _asked(url: str, options: list[str]) -> float:
    """Milliseconds of `kindling external`, start of Python included: the median."""
    command = [sys.executable, "-m", "kindling.cli", "external", "--url", url, *options]
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append(1_000 * (time.perf_counter() - start))
    return statistics.median(times)


def _stats(url: str) -> dict[str, float]:
    from kindling.cli.client import fetch

    stats: dict[str, float] = fetch(url, "/api/v1/status")["stats"]
    return stats


def _wait_until_written(url: str) -> None:
    end = time.monotonic() + 60
    while _stats(url)["inventory.rows"] < DESTINATIONS:
        if time.monotonic() > end:
            raise TimeoutError("the list was not written within a minute")
        time.sleep(0.2)


def _wait_for_the_next_write(url: str) -> float:
    """Returns how long a tick took in the meantime, the median in milliseconds."""
    ticks = []
    before = _stats(url)["inventory.writes"]
    end = time.monotonic() + 330
    while (stats := _stats(url))["inventory.writes"] < before + DESTINATIONS // CHUNK:
        ticks.append(stats["observe_ms"])
        if time.monotonic() > end:
            raise TimeoutError("nothing was written within five minutes")
        time.sleep(1)
    time.sleep(1)
    return statistics.median(ticks)


def _written(process: int) -> int:
    """Bytes that a process has caused to be sent to the disk (proc(5), /proc/pid/io)."""
    lines = Path(f"/proc/{process}/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("write_bytes:"))


def _resident(process: int) -> float:
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


# --- the process that is measured -----------------------------------------------------------------


def _serve(home: Path, changing: float) -> None:
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    import asyncio

    from kindling.agent import memory
    from kindling.agent.listen import open_listener, url_of
    from kindling.agent.observers import observers_of
    from kindling.agent.server import HttpServer
    from kindling.agent.watch import Watch
    from kindling.api import create_app
    from kindling.config import Settings

    settings = Settings(data=home)
    tables = _Tables(changing)
    with observers_of(settings, lambda line: print(line, file=sys.stderr)) as observers:
        watch = Watch(tables, settings, observers=observers.calls, inventory=observers.inventory)
        tables.more = observers.inventory.stats if observers.inventory else dict
        tables.watch = watch
        listener = open_listener("127.0.0.1", 0)

        async def run() -> None:
            server = HttpServer(create_app(watch), listener)
            memory.settle()
            print(url_of(listener), flush=True)
            await asyncio.gather(server.run(), watch.run(asyncio.Event()))

        asyncio.run(run())


class _Tables:
    """Rows of connections of which some change every second."""

    def __init__(self, changing: float) -> None:
        from kindling.identity import Scopes
        from kindling.model import FlowLabels, FlowRow, Workload

        self.scopes = Scopes()
        now = time.time()
        who = [Workload(kind="container", name=f"service-{i}", container=f"service-{i}") for i in range(WORKLOADS)]
        self.rows = [
            FlowRow(
                FlowLabels(
                    workload=who[i % WORKLOADS],
                    role="client",
                    transport="tcp",
                    protocol="tls",
                    local_ip="10.1.2.3",
                    remote_ip=f"198.18.{i // 256}.{i % 256}",
                    port=443,
                    name=f"api-{i}.customer-{i % 3_000}.example.org",
                    evidence="sni",
                    inferred=False,
                    scope="public",
                ),
                now,
            )
            for i in range(DESTINATIONS)
        ]
        self.scopes = Scopes()
        self.more: Callable[[], Mapping[str, float]] = dict
        self.watch: object = None
        self._since = now
        self._now = now
        self._some = random.Random(1)
        self._count = int(changing * DESTINATIONS)
        for row in self.rows:
            row.opened, row.bytes_in, row.bytes_out = 3, 40_000, 2_000

    def tick(self) -> None:
        self._now = time.time()
        for row in self._some.sample(self.rows, self._count):
            row.opened += 1
            row.bytes_in += 4_321
            row.bytes_out += 321
            row.last_seen = self._now

    def snapshot(self) -> Snapshot:
        from kindling.model import Snapshot

        stats = dict(self.more())
        stats["observe_ms"] = 1_000 * getattr(self.watch, "_tick_last", 0.0)
        return Snapshot(time=self._now, since=self._since, flows=list(self.rows), stats=stats)

    def reconfigure(self, names: object) -> None:
        """Names are given here."""

    def select(self, kubernetes: object) -> None:
        """All is shown."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--serve", type=Path)
    parser.add_argument("--changing", type=float, default=CHANGING, metavar="SHARE")
    options = parser.parse_args()
    if options.serve:
        _serve(options.serve, options.changing)
        return
    with tempfile.TemporaryDirectory(prefix="kindling-bench-") as home:
        print(json.dumps(measure(Path(home), changing=options.changing), indent=1))


if __name__ == "__main__":
    main()
