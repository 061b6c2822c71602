"""Sockets and addresses of another network namespace (needs root)."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from kindling.identity import own_addresses
from kindling.identity.sockets import older_sockets
from kindling.model import RoleNumber

pytestmark = pytest.mark.root

LISTEN = """
import socket, subprocess, sys
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
subprocess.run(["ip", "address", "add", "198.51.100.77/32", "dev", "lo"], check=True)
s = socket.create_server(("198.51.100.77", 8080))
print(int.from_bytes(s.getsockopt(socket.SOL_SOCKET, 57, 8), sys.byteorder), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def elsewhere() -> Iterator[tuple[int, int]]:
    """A listener in a namespace of its own: pid and cookie."""
    command = ["unshare", "--net", sys.executable, "-c", LISTEN]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        yield process.pid, int(process.stdout.readline())
        process.stdin.close()


def test_sockets_elsewhere(elsewhere: tuple[int, int]) -> None:
    pid, cookie = elsewhere
    (found,) = [s for s in older_sockets() if s.cookie == cookie]
    assert (found.pid, found.role) == (pid, RoleNumber.SERVER)


def test_addresses_elsewhere(elsewhere: tuple[int, int]) -> None:
    assert "198.51.100.77" in own_addresses()
