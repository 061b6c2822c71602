"""What a cluster of 10,000 pods costs the agent, and whether it is right: `python -m benchmarks.kubernetes`.

Three processes: the API server, the one that is measured (all that an agent imports, reflectors and tables, one tick a
second), and this one, which knows who had which address when. Prints one JSON object.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.cluster import PATHS, PORT

N_PODS = 10_000
N_SERVICES = 2_000
N_NODES = 300
CHANGES = 5_000
"""Addresses that go to another pod within a minute."""
_COARSE = 2.0
"""Seconds to either side of a change within which both the old and the new holder are right: the API server tells
times in whole seconds.
"""

Object = dict[str, Any]


def measure(home: Path, seconds: float = 60.0) -> dict[str, float]:
    home.mkdir(parents=True, exist_ok=True)
    with _measured() as calm:
        time.sleep(3)
        without = calm.ask(do="usage")
    with _cluster(home) as (server, where), _measured(str(where["port"]), where["account"]) as agent:
        synced = agent.ask(do="sync")
        time.sleep(3)
        before = agent.ask(do="usage")
        began = time.time()
        churned = server.ask(do="churn", changes=round(CHANGES * seconds / 60), seconds=seconds)
        time.sleep(2)
        after = agent.ask(do="usage")
        wrong = _wrong(server, agent, began)
        again = _taken_up(server, agent)
        lists = sum(each["lists"] for each in again["dropped"].values())
        return {
            "without_mib": without["rss"],
            "more_mib": after["rss"] - without["rss"],
            "more_peak_mib": after["peak"] - without["peak"],
            "sync_cpu_s": synced["user"] - without["user"],
            "sync_s": synced["took"],
            "churn_percent": 100 * (after["user"] - before["user"]) / (after["time"] - before["time"]),
            "churn_system_percent": 100 * (after["system"] - before["system"]) / (after["time"] - before["time"]),
            "churn_events": after["events"] - before["events"],
            "churn_s": churned["took_s"],
            "slowest_tick_ms": 1000 * after["slowest"],
            **wrong,
            "lists_after_drops": lists - len(PATHS),
            "lists_after_gone": (sum(each["lists"] for each in again["gone"].values()) - lists) / len(PATHS),
        }


def _wrong(server: _Process, agent: _Process, began: float) -> Counter[str]:
    """Each holder of each address since `began`, asked for in the middle of its time, a little after it began and a
    little before it ended; those who hold one now, asked for now.
    """
    now = time.time()
    questions: list[tuple[str, str, float, str]] = []
    holders: dict[str, list[Object]] = defaultdict(list)
    for address, pod, since, until in server.ask(do="tenures", after=began):
        holders[address].append({"pod": pod, "since": since, "until": until or now})
        first, last = max(since, began) + _COARSE, (until - _COARSE if until else now)
        if first > last:
            continue
        for name, when in (("begin", first), ("middle", (first + last) / 2), ("end", last)):
            questions.append((name, address, when, pod))
        if not until:
            questions.append(("now", address, now, pod))
    answers = agent.ask(do="peers", of=[[address, when] for _, address, when, _ in questions])
    found: Counter[str] = Counter(asked=len(questions), wrong=0, none=0, old=0)
    for (_, address, when, pod), answer in zip(questions, answers, strict=True):
        if answer == pod:
            continue
        found["wrong"] += 1
        found["none"] += not answer
        found["old"] += any(each["pod"] == answer and each["until"] < when for each in holders[address])
    return found


def _taken_up(server: _Process, agent: _Process) -> dict[str, Any]:
    """Watches that break off three times, then with their past gone."""
    for _ in range(3):
        before = server.ask(do="count")
        server.ask(do="drop")
        _until(lambda before=before: all(_more(server, before, path, "watches") for path in PATHS))
    dropped = server.ask(do="count")
    server.ask(do="compact")
    _until(lambda: all(_more(server, dropped, path, "lists") for path in PATHS))
    time.sleep(8)
    agent.ask(do="sync")
    return {"dropped": dropped, "gone": server.ask(do="count")}


def _more(server: _Process, before: Object, path: str, what: str) -> bool:
    more: bool = server.ask(do="count")[path][what] > before[path][what]
    return more


def _until(condition: Any, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("it did not come to be within a minute")
        time.sleep(0.2)


class _Process:
    """One line of JSON in, one out."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, **command: Any) -> Any:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        return self.answer()

    def answer(self) -> Any:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._process.args!r} ended")
        return json.loads(line)


@contextmanager
def _started(*command: str) -> Iterator[_Process]:
    argv = [sys.executable, "-m", *command]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield _Process(process)
        finally:
            process.kill()


@contextmanager
def _cluster(home: Path) -> Iterator[tuple[_Process, Object]]:
    with _started("benchmarks.cluster", str(N_PODS), str(N_SERVICES), str(N_NODES), str(home)) as process:
        yield process, process.answer()


@contextmanager
def _measured(*where: str) -> Iterator[_Process]:
    with _started("benchmarks.kubernetes", "--measured", *where) as process:
        yield process


# --- the process that is measured -------------------------------------------------------------------------------------


class _Agent:
    def __init__(self, where: list[str]) -> None:
        import kindling.agent.live
        import kindling.agent.watch
        import kindling.api
        import kindling.capture.live
        import kindling.identity
        import kindling.table  # noqa: F401
        from kindling.agent import memory

        memory.settle()
        self.lock = threading.Lock()
        self.slowest = 0.0
        self.began = time.monotonic()
        self.following = _following(*where) if where else None
        threading.Thread(target=self._tick, daemon=True).start()

    def _tick(self) -> None:
        while True:
            began = time.monotonic()
            if self.following:
                with self.lock:
                    self.following.refresh()
                    self.following.cluster.take_changed()
            self.slowest = max(self.slowest, time.monotonic() - began)
            time.sleep(max(0.0, 1 - (time.monotonic() - began)))

    def usage(self) -> Object:
        used = resource.getrusage(resource.RUSAGE_SELF)
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        health = self.following.cluster.health().values() if self.following else ()
        return {
            "rss": pages * os.sysconf("SC_PAGE_SIZE") / 2**20,
            "peak": used.ru_maxrss / 1024,
            "user": used.ru_utime,
            "system": used.ru_stime,
            "events": sum(each.events for each in health),
            "time": time.monotonic(),
            "slowest": self.slowest,
        }

    def sync(self) -> Object:
        assert self.following
        while not self.following.cluster.synced:
            time.sleep(0.05)
        return {"took": time.monotonic() - self.began, **self.usage()}

    def peers(self, of: list[tuple[str, float]]) -> list[str]:
        assert self.following
        with self.lock:
            found = [self.following.cluster.peer(address, PORT, "tcp", when) for address, when in of]
        return [peer.pod if peer else "" for peer in found]


def _following(port: str, account: str) -> Any:
    from kindling.config import Kubernetes
    from kindling.kubernetes.following import follow

    environment = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": port}
    settings = Kubernetes(mode="cluster", node="node-7.example.internal")
    following = follow(settings, lambda line: print(line, file=sys.stderr), environment, Path(account))
    assert following
    following.start()
    return following


def _serve(where: list[str]) -> None:
    agent = _Agent(where)
    answers: dict[str, Callable[..., object]] = {"usage": agent.usage, "sync": agent.sync, "peers": agent.peers}
    for line in sys.stdin:
        command = json.loads(line)
        print(json.dumps(answers[command.pop("do")](**command)), flush=True)


def main() -> None:
    if sys.argv[1:2] == ["--measured"]:
        _serve(sys.argv[2:])
        return
    with tempfile.TemporaryDirectory(prefix="kindling-bench-") as home:
        print(json.dumps(measure(Path(home), *(float(each) for each in sys.argv[1:2])), indent=1))


if __name__ == "__main__":
    main()
