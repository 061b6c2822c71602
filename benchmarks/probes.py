"""What is attached while something is measured: nothing, programs that do nothing, or the agent."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import re
import signal
import struct
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.servers import free_port
from kindling.capture.bpf import cgroup, syscall
from kindling.capture.bpf.assembler import PASS
from kindling.capture.bpf.syscall import AttachType, ProgramType

KINDLING = Path(sys.executable).with_name("kindling")
STATS = Path("/proc/sys/kernel/bpf_stats_enabled")
HOOKS = (
    (ProgramType.CGROUP_SOCK, AttachType.SOCK_CREATE),
    (ProgramType.CGROUP_SOCK, AttachType.SOCK_RELEASE),
    (ProgramType.CGROUP_SOCK_ADDR, AttachType.CONNECT4),
    (ProgramType.CGROUP_SOCK_ADDR, AttachType.CONNECT6),
    (ProgramType.SOCK_OPS, AttachType.SOCK_OPS),
    (ProgramType.CGROUP_SKB, AttachType.INGRESS),
    (ProgramType.CGROUP_SKB, AttachType.EGRESS),
)
_PACKETS = {int(AttachType.INGRESS), int(AttachType.EGRESS)}
_LINK_GET_FD_BY_ID, _LINK_DETACH = 30, 34
_PERF_ENABLE, _PERF_DISABLE = 0x2400, 0x2401
_PIDFD_GETFD = 438
_libc = ctypes.CDLL(None, use_errno=True)

Switched = Callable[[], AbstractContextManager[None]]


@dataclass(slots=True)
class Agent:
    pid: int
    url: str
    attached: float
    """Seconds from the start of the process until every packet is counted."""
    answered: float
    """Seconds until it answers over HTTP, its tables read once."""

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
    own = {"KINDLING_PERSISTENCE_PINS": f"/sys/fs/bpf/kindling-bench-{port}"}
    own["KINDLING_PERSISTENCE_STATE"] = str(home / "state")  # each run begins with nothing
    environment = {**os.environ, **own}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    try:
        attached = _wait(process, began, lambda: _sees_packets(process.pid))
        answered = _wait(process, began, lambda: _answers(url))
        yield Agent(process.pid, url, attached, answered)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(20)
        with contextlib.suppress(OSError):
            Path(own["KINDLING_PERSISTENCE_PINS"]).rmdir()


def _wait(process: subprocess.Popen[bytes], began: float, done: Callable[[], bool]) -> float:
    while time.monotonic() < began + 30:
        if done():
            return time.monotonic() - began
        if process.poll() is not None:
            raise SystemExit("the agent did not start: run `kindling agent` to see why")
        time.sleep(0.005)
    raise SystemExit("the agent did not start within 30 s")


def _sees_packets(pid: int) -> bool:
    """The programs of packets are attached; they come last."""
    return {int(info["attach_type"]) for info in _fdinfos(pid) if "attach_type" in info} >= _PACKETS


def _answers(url: str) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(url + "/healthz", timeout=1):
        return True
    return False


def attach_all(programs: list[tuple[int, int]]) -> Switched:
    """Return what attaches programs (descriptor, attach type) to the root while it is entered."""

    @contextlib.contextmanager
    def attached() -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            root = cgroup.open_root()
            stack.callback(os.close, root)
            for program, kind in programs:
                stack.callback(os.close, syscall.link_create(program, root, kind))
            yield

    return attached


@contextlib.contextmanager
def loaded_empty() -> Iterator[Switched]:
    """Programs that return 1, for every hook that the agent uses."""
    with contextlib.ExitStack() as stack:
        programs = []
        for kind, attach in HOOKS:
            fd = syscall.program_load(kind, PASS, attach=attach, name="kb_empty")
            stack.callback(os.close, fd)
            programs.append((fd, int(attach)))
        yield attach_all(programs)


@contextlib.contextmanager
def empty() -> Iterator[None]:
    with loaded_empty() as attached, attached():
        yield


@contextlib.contextmanager
def switch(pid: int) -> Iterator[Switched]:
    """Detach the programs of a running agent, for good, and yield what attaches them while it is entered."""
    with contextlib.ExitStack() as stack:
        programs = []
        for info in list(_fdinfos(pid)):
            if "link_id" not in info or "attach_type" not in info:
                continue
            program = syscall.program_by_id(int(info["prog_id"]))
            stack.callback(os.close, program)
            programs.append((program, int(info["attach_type"])))
            link = _call(_LINK_GET_FD_BY_ID, int(info["link_id"]))
            _call(_LINK_DETACH, link)
            os.close(link)
        if not programs:
            raise SystemExit("the agent has no links: this kernel is too old for this benchmark")
        attached = attach_all(programs)
        drops = _perf_events(pid)
        for event in drops:
            stack.callback(os.close, event)
            fcntl.ioctl(event, _PERF_DISABLE, 0)

        @contextlib.contextmanager
        def both() -> Iterator[None]:
            with attached():
                for event in drops:
                    fcntl.ioctl(event, _PERF_ENABLE, 0)
                try:
                    yield
                finally:
                    for event in drops:
                        fcntl.ioctl(event, _PERF_DISABLE, 0)

        yield both


def _call(command: int, number: int) -> int:
    return syscall.check(syscall.bpf(command, syscall.attributes(struct.pack("<I", number))))


def _perf_events(pid: int) -> list[int]:
    """Return descriptors of an agent's tracepoints (of what counts drops)."""
    process = os.pidfd_open(pid)
    try:
        return [
            _checked(_libc.syscall(_PIDFD_GETFD, process, int(path.name), 0))
            for path in Path(f"/proc/{pid}/fd").iterdir()
            if "perf_event" in str(path.readlink())
        ]
    finally:
        os.close(process)


def _checked(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), "pidfd_getfd")
    return result


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
