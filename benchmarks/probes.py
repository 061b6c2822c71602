"""What is attached while something is measured: nothing, programs that do nothing, or the agent."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import struct
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.servers import free_port
from kindling.capture.bpf import attach, cgroup, syscall
from kindling.capture.bpf.program import ProgramSpec
from kindling.capture.bpf.syscall import AttachType, ProgramType

KINDLING = Path(sys.executable).with_name("kindling")
STATS = Path("/proc/sys/kernel/bpf_stats_enabled")
RETURN_1 = struct.pack("<BBhi", 0xB7, 0, 0, 1) + struct.pack("<BBhi", 0x95, 0, 0, 0)


@dataclass(slots=True)
class Agent:
    pid: int
    url: str
    started: float
    """Seconds from the start of the process to the first answer with counts."""

    def get(self, path: str) -> bytes:
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            return bytes(answer.read())

    def requests(self) -> int:
        """Return how many requests were counted, both sides."""
        rows = json.loads(self.get("/api/v1/requests?limit=100000"))
        rows = rows if isinstance(rows, list) else rows.get("rows", rows.get("records", []))
        return sum(int(row["count"]) for row in rows)

    def cpu(self) -> float:
        """Return seconds of user CPU so far."""
        return int(Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[11]) / os.sysconf("SC_CLK_TCK")

    def rss(self) -> float:
        """Return resident MiB."""
        return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{self.pid}/status").read_text())[1]) / 1024  # type: ignore[index]

    def map_bytes(self) -> int:
        """Return what the kernel accounts for the maps that the agent holds, each once."""
        seen: dict[str, int] = {}
        for info in _fdinfos(self.pid):
            if "map_id" in info and "memlock" in info:
                seen[info["map_id"]] = int(info["memlock"])
        return sum(seen.values())

    def runs(self) -> tuple[int, int]:
        """Return nanoseconds and runs of all programs together, while statistics are on."""
        return _runs(self.pid)


def _fdinfos(pid: int) -> Iterator[dict[str, str]]:
    for path in Path(f"/proc/{pid}/fdinfo").iterdir():
        with contextlib.suppress(OSError):
            yield dict(line.split(":", 1) for line in path.read_text().split("\n") if ":" in line)


def _runs(pid: int) -> tuple[int, int]:
    seen = {
        info["prog_id"]: (int(info["run_time_ns"]), int(info["run_cnt"]))
        for info in _fdinfos(pid)
        if "prog_id" in info and "run_cnt" in info
    }
    return sum(time_ns for time_ns, _ in seen.values()), sum(count for _, count in seen.values())


@contextlib.contextmanager
def agent(home: Path) -> Iterator[Agent]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    began = time.monotonic()
    command = [str(KINDLING), "agent", "--listen", f"127.0.0.1:{port}", "--data", str(home), "--quiet"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        started = _first_count(url, process, began)
        yield Agent(process.pid, url, started)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(20)


def _first_count(url: str, process: subprocess.Popen[bytes], began: float) -> float:
    while time.monotonic() < began + 30:
        with contextlib.suppress(OSError), urllib.request.urlopen(url + "/healthz", timeout=1):
            return time.monotonic() - began
        if process.poll() is not None:
            raise SystemExit("the agent did not start: run `kindling agent` to see why")
        time.sleep(0.01)
    raise SystemExit("the agent did not answer within 30 s")


@contextlib.contextmanager
def empty() -> Iterator[int]:
    """Programs that return 1 at both packet hooks. Yields this process' id, whose descriptors they are."""
    root = cgroup.open_root()
    specs = [
        ProgramSpec("kb_in", "cgroup_skb/ingress", ProgramType.CGROUP_SKB, AttachType.INGRESS, RETURN_1, ()),
        ProgramSpec("kb_out", "cgroup_skb/egress", ProgramType.CGROUP_SKB, AttachType.EGRESS, RETURN_1, ()),
    ]
    loaded = [(spec, syscall.program_load(spec.kind, spec.code, attach=spec.attach, name=spec.name)) for spec in specs]
    attached = attach.attach(loaded, root)
    try:
        yield os.getpid()
    finally:
        attached.close()
        for fd in (root, *(fd for _, fd in loaded)):
            os.close(fd)


def empty_runs() -> tuple[int, int]:
    return _runs(os.getpid())


@contextlib.contextmanager
def statistics() -> Iterator[None]:
    """Let the kernel measure programs: it costs each run about 60 ns, so never while throughput is measured."""
    STATS.write_text("1")
    try:
        yield
    finally:
        STATS.write_text("0")
