"""An agent without its HTTP face, in a process of its own that can be killed: what it sees after each reading."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kindling.agent.live import live_tables
from kindling.capture.bpf.pins import Pins
from kindling.config import Limits, Persistence, Recycling, Settings

#: Everything is given back after every reading: whoever is killed is in the middle of it.
HASTY = Recycling(idle_seconds=0, idle_open_seconds=0, pressure_idle_seconds=0)
PROGRAM = [sys.executable, "-m", "live.lasting"]
_PATIENCE = 20.0


def main() -> None:
    """Print what is said, then a line of JSON for each reading, until SIGTERM."""
    pins, state, interval, hasty, keep = sys.argv[1:]
    settings = Settings(
        data=Path(state).parent,
        recycling=HASTY if hasty == "1" else Recycling(),
        limits=Limits(),
        query_timeout=1.0,
        persistence=Persistence(pins=Path(pins), state=Path(state), keep_counting=keep == "1"),
    )
    ending: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: ending.append(number))
    with live_tables(settings, lambda line: print(line, flush=True)) as tables:
        while not ending:
            tables.tick()
            print(json.dumps(seen(tables.snapshot())), flush=True)
            time.sleep(float(interval))


def seen(snapshot: Any) -> dict[str, Any]:
    flows = []
    for row in snapshot.flows:
        labels = row.labels
        known = [labels.local_ip, labels.role, labels.port, labels.name, labels.workload.name, row.first_seen]
        flows.append([*known, row.last_seen, row.opened, row.closed, row.active, row.bytes_out])
    ops = [
        [row.labels.local_ip, row.labels.operation, row.labels.status, row.count, row.first_seen]
        for row in snapshot.ops
    ]
    return {"time": snapshot.time, "since": snapshot.since, "flows": flows, "ops": ops, "lost": snapshot.lost}


@dataclass
class Reading:
    """One line of it."""

    since: float = 0.0
    flows: list[list[Any]] = field(default_factory=list)
    ops: list[list[Any]] = field(default_factory=list)
    lost: dict[str, int] = field(default_factory=dict)
    time: float = 0.0

    def requests(self, local_ip: str) -> int:
        return sum(row[3] for row in self.ops if row[0] == local_ip)

    def opened(self, local_ip: str) -> int:
        return sum(row[7] for row in self.flows if row[0] == local_ip)

    def active(self, local_ip: str) -> int:
        return sum(row[9] for row in self.flows if row[0] == local_ip)

    def bytes_out(self, local_ip: str) -> int:
        return sum(row[10] for row in self.flows if row[0] == local_ip)


class LastingAgent:
    """Started and killed as often as one likes."""

    def __init__(self, folder: Path, pins: Path, interval: float = 0.05, *, hasty: bool = True) -> None:
        self.pins = pins
        self.state = folder / "state"
        self.said: list[str] = []
        self.starts = 0
        self.reading = Reading()
        self.keep = False
        self.program = list(PROGRAM)
        self._interval = interval
        self._hasty = hasty
        self._process: subprocess.Popen[bytes] | None = None
        self._rest = b""

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process
        return self._process

    def start(self) -> None:
        """Returns as soon as it has read once."""
        flags = "1" if self._hasty else "0", "1" if self.keep else "0"
        command = [*self.program, str(self.pins), str(self.state), str(self._interval), *flags]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), "OPENBLAS_NUM_THREADS": "1"}
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)
        self._rest = b""
        self.said.clear()
        self.starts += 1
        before = self.reading
        while self.reading is before:
            self.read(_PATIENCE)

    def read(self, seconds: float) -> None:
        """Take what it has printed up to now; wait so long for more."""
        assert self.process.stdout
        fd = self.process.stdout.fileno()
        ready, _, _ = select.select([fd], [], [], seconds)
        if not ready:
            return
        piece = os.read(fd, 1 << 20)
        assert piece, f"the agent ended with {self.process.wait()}: {self.said}"
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            self._take(line)

    def watch(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.read(left)

    def kill(self) -> None:
        """Without warning; what it printed before is taken."""
        self.process.kill()
        self.take_rest()

    def take_rest(self) -> None:
        """What it printed before it ended."""
        output = self.process.communicate()[0]
        for line in (self._rest + output).split(b"\n")[:-1]:
            self._take(line)

    def stop(self) -> None:
        """As a service manager does."""
        self.process.terminate()
        assert self.process.stdout
        while self.process.stdout.read(1 << 16):
            pass
        assert self.process.wait(_PATIENCE) == 0
        self.process.stdout.close()

    def _take(self, line: bytes) -> None:
        if line.startswith(b"{"):
            self.reading = Reading(**json.loads(line))
        else:
            self.said.append(line.decode())


@contextmanager
def lasting_agent(folder: Path, interval: float = 0.05, *, hasty: bool = True) -> Iterator[LastingAgent]:
    """Nothing is left of it in the kernel."""
    pins = Path(f"/sys/fs/bpf/kindling-test-{os.getpid()}")
    agent = LastingAgent(folder, pins, interval, hasty=hasty)
    try:
        yield agent
    finally:
        if agent._process and agent._process.stdout and not agent._process.stdout.closed:
            agent.kill()
        with Pins(pins) as held:
            held.remove()


if __name__ == "__main__":
    main()
