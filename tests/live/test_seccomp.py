"""The agent runs under the profile that is shipped, and the profile refuses what an agent has no use for."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from live import servers
from live.confined import LIBRARY
from live.lasting import PROGRAM, LastingAgent, lasting_agent
from live.netns import Link

pytestmark = [pytest.mark.root, pytest.mark.live]

PROFILE = Path(__file__).parents[2] / "deploy" / "seccomp.json"

REFUSED = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
for number in (101, 165, 155, 169, 175, 246):  # ptrace, mount, pivot_root, reboot, init_module, kexec_load on x86-64
    assert libc.syscall(number, 0, 0, 0, 0, 0) == -1, number
    assert ctypes.get_errno() == 1, (number, os.strerror(ctypes.get_errno()))
print("refused")
"""


@pytest.fixture(autouse=True)
def _library() -> None:
    with suppress(OSError):
        ctypes.CDLL(LIBRARY)
        return
    pytest.skip(f"{LIBRARY} is not there")


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[LastingAgent]:
    with lasting_agent(tmp_path) as made:
        made.program = [sys.executable, "-m", "live.confined", str(PROFILE), *PROGRAM]
        yield made


def test_the_agent_under_the_profile(agent: LastingAgent, net: Link, tmp_path: Path) -> None:
    servers.nginx(net, tmp_path)
    agent.start()
    status = Path(f"/proc/{agent.process.pid}/status").read_text(encoding="ascii")
    assert "Seccomp:\t2" in status
    for number in range(3):
        net.client.run("curl", "-sS", f"http://{net.server4}/{'abc'[number]}")
    agent.watch(0.5)
    agent.kill()
    agent.start()
    agent.watch(0.5)
    assert agent.reading.requests(net.client4) == agent.reading.requests(net.server4) == 3
    assert {row[4] for row in agent.reading.flows if row[0] == net.client4} == {"curl"}
    agent.stop()
    assert not list(agent.pins.iterdir())


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="numbers of another machine")
def test_what_the_profile_refuses() -> None:
    command = [sys.executable, "-m", "live.confined", str(PROFILE), sys.executable, "-c", REFUSED]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)
    assert done.stdout == "refused\n", done.stderr


def test_no_call_stands_there_twice() -> None:
    names = [name for group in json.loads(PROFILE.read_text())["syscalls"] for name in group["names"]]
    assert len(names) == len(set(names))
