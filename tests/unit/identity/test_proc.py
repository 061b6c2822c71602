from __future__ import annotations

import os
from pathlib import Path

from kindling.identity.proc import host_root, parse_cgroups, pids, read_process, thread_names
from unit.identity.host import Host


def test_this_process() -> None:
    process = read_process(os.getpid())
    assert process
    assert process.exe
    assert process.started > 0
    assert process.comm in thread_names(os.getpid())
    assert os.getpid() in pids()


def test_name_with_parentheses(tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.process(7, "a) (b", started=99)
    process = read_process(7, host.proc)
    assert process
    assert (process.comm, process.started) == (b"a) (b", 99)


def test_nobody(tmp_path: Path) -> None:
    assert read_process(7, tmp_path) is None
    assert thread_names(7, tmp_path) == set()


def test_version_2_comes_first() -> None:
    text = "5:memory:/m\n1:name=systemd:/s.service\n0::/v2\n3:cpu:/m\nbroken\n"
    assert parse_cgroups(text) == ("/v2", "/s.service", "/m")


def test_root_of_the_host(tmp_path: Path) -> None:
    """Not ours to see: then it is our own."""
    assert host_root(tmp_path) == Path("/")
    (tmp_path / "1" / "root" / "etc").mkdir(parents=True)
    assert host_root(tmp_path) == tmp_path / "1" / "root"
