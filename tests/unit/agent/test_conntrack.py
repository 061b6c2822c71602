"""The thread that asks the kernel: what it may, what it answers, and what it does when it cannot."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from kindling.agent.conntrack import Asker, open_asker
from kindling.agent.privileges import NEEDED, Capability
from kindling.kubernetes.conntrack import Connection, Conntrack, Endpoint
from kindling.kubernetes.lookups import Pair

PAIR = Pair("10.1.0.5", "10.96.0.10", 80, "tcp")
PATIENCE = 5.0

SCRIPT = """
import sys, threading
from pathlib import Path
from kindling.agent.conntrack import open_asker
from kindling.agent.privileges import keep_only_needed
from kindling.kubernetes.conntrack import Connection
from kindling.kubernetes.lookups import Pair
asker = open_asker(Path(sys.argv[1]))
keep_only_needed(Path(sys.argv[1]))
pair = Pair("192.0.2.1", "192.0.2.2", 80, "tcp")
asker.put([(pair, Connection("192.0.2.1", 1, "192.0.2.2", 80, "tcp"))])
while not (answers := asker.take()):
    pass
print("answers", [endpoint for _, endpoint in answers], "failed", repr(asker.failed))
for thread in threading.enumerate():
    print(thread.name, Path(f"/proc/self/task/{thread.native_id}/status").read_text())
asker.close()
"""


class Table(Conntrack):
    """Knows connections by the client's port; port 0: the kernel refuses."""

    def __init__(self, known: dict[int, Endpoint]) -> None:
        self.known = known
        self.closed = False

    def ask(self, connections: Sequence[Connection]) -> list[Endpoint | None]:
        if any(each.client_port == 0 for each in connections):
            raise PermissionError(1, "Operation not permitted")
        return [self.known.get(each.client_port) for each in connections]

    def close(self) -> None:
        self.closed = True


def answers(asker: Asker, count: int) -> list[Endpoint | None]:
    found: list[Endpoint | None] = []
    end = time.monotonic() + PATIENCE
    while len(found) < count and time.monotonic() < end:
        found += [endpoint for pair, endpoint in asker.take() if pair == PAIR]
    return found


def connection(port: int) -> Connection:
    return Connection(PAIR.client, port, PAIR.address, PAIR.port, PAIR.transport)


def test_questions_and_answers() -> None:
    table = Table({7: ("10.1.0.9", 8080)})
    asker = Asker(table)
    asker.put([(PAIR, connection(7)), (PAIR, connection(8))])
    asker.put([(PAIR, connection(7))])
    assert answers(asker, 3) == [("10.1.0.9", 8080), None, ("10.1.0.9", 8080)]
    assert asker.waiting == 0
    asker.close()
    assert table.closed
    assert asker.seconds > 0


def test_a_kernel_that_refuses_is_not_asked_again() -> None:
    asker = Asker(Table({}))
    for _ in range(3):
        assert asker.failed == ""
        asker.put([(PAIR, connection(0))])
        assert answers(asker, 1) == [None]
    assert asker.failed == "Operation not permitted"
    asker.put([(PAIR, connection(7))])
    assert (asker.waiting, asker.take()) == (0, [])
    asker.close()


def test_a_namespace_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_asker(tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="others may not ask")
def test_one_thread_keeps_one_capability(tmp_path: Path) -> None:
    for each in ("1", "self"):  # tests may run where the way to the first process is barred
        (tmp_path / each).symlink_to("/proc/self")
    said = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path)], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    answered, main, conntrack = said.partition("MainThread")[0], *said.partition("MainThread")[2].split("\nconntrack ")
    assert answered.startswith("answers [None] failed ''")
    kept = {main: sum(1 << each for each in NEEDED), conntrack: 1 << Capability.NET_ADMIN}
    for status, capabilities in kept.items():
        assert f"CapEff:\t{capabilities:016x}" in status
        assert f"CapPrm:\t{capabilities:016x}" in status
        assert "NoNewPrivs:\t1" in status
