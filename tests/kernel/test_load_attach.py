"""Attaching with and without links, and finding the root of cgroup v2 from where it is hard to see."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kindling.capture.bpf import attach, cgroup, loader, syscall
from kindling.capture.bpf.program import BpfObject, ProgramSpec
from kindling.capture.bpf.syscall import AttachType
from kindling.errors import KindlingError, PrivilegeError

pytestmark = pytest.mark.root

ROOT = Path(__file__).parents[2]


@pytest.fixture
def root() -> Iterator[int]:
    fd = cgroup.open_root()
    yield fd
    os.close(fd)


@pytest.fixture
def loaded(every_map: bytes) -> Iterator[loader.Loaded]:
    with loader.load(BpfObject.parse(every_map)) as made:
        yield made


@pytest.fixture
def no_links(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(program: int, target: int, kind: int) -> int:
        raise OSError(errno.EINVAL, "no links before 5.7")

    monkeypatch.setattr(syscall, "link_create", refuse)


def attached_here(root: int, kind: int = AttachType.INGRESS) -> int:
    """Return how many of our test's programs are attached; an agent may run on this machine meanwhile."""
    count = 0
    for number in syscall.program_query(root, kind):
        fd = syscall.program_by_id(number)
        count += syscall.program_name(fd) == "kd_main"
        os.close(fd)
    return count


def own(loaded: loader.Loaded) -> list[tuple[ProgramSpec, int]]:
    return [(spec, loaded.programs[spec.name]) for spec in loaded.object.programs.values() if spec.array is None]


def test_attached_by_link_until_closed(loaded: loader.Loaded, root: int) -> None:
    attached = attach.attach(own(loaded), root)
    assert (len(attached), len(attached.links)) == (1, 1)
    assert attached_here(root) == 1
    attached.close()
    assert attached_here(root) == 0


@pytest.mark.usefixtures("no_links")
def test_attached_without_links_until_closed(loaded: loader.Loaded, root: int) -> None:
    attached = attach.attach(own(loaded), root)
    assert (len(attached), len(attached.links)) == (1, 0)
    assert attached_here(root) == 1
    attached.close()
    assert attached_here(root) == 0


@pytest.mark.usefixtures("no_links")
def test_what_a_killed_agent_left_is_detached(loaded: loader.Loaded, root: int) -> None:
    attach.attach(own(loaded), root)  # and never closed
    attached = attach.attach(own(loaded), root)
    assert attached_here(root) == 1, "one, not two"
    attached.close()
    assert attached_here(root) == 0


def test_all_or_none(loaded: loader.Loaded, root: int) -> None:
    (spec, fd) = own(loaded)[0]
    with pytest.raises(KindlingError):
        attach.attach([(spec, fd), (spec, 0x7FFF_FFFF)], root)
    assert attached_here(root) == 0


def test_a_refusal_says_what_to_do(loaded: loader.Loaded) -> None:
    spec = loaded.object.programs["kd_main"]
    error = attach.refusal(OSError(errno.EPERM, "Operation not permitted"), spec)
    assert isinstance(error, PrivilegeError)
    assert "bpftool cgroup show" in error.hint
    assert "64" in str(attach.refusal(OSError(errno.E2BIG, ""), spec))


def test_programs_are_found_by_name_after_being_pinned(loaded: loader.Loaded) -> None:
    path = "/sys/fs/bpf/kd_test_pin"
    try:
        syscall.object_pin(loaded.programs["kd_main"], path)
    except OSError as error:
        pytest.skip(f"no BPF file system here: {error}")
    try:
        again = syscall.object_get(path)
        assert syscall.program_name(again) == "kd_main"
        os.close(again)
    finally:
        Path(path).unlink()


FIND = "from kindling.capture.bpf import cgroup; import os; print(os.fstat(cgroup.open_root()).st_ino)"


def find_in(script: str) -> str:
    """Run a shell script in a mount namespace of its own; FIND is set to the command that finds the root."""
    done = subprocess.run(
        ["unshare", "-m", "sh", "-ec", script],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "FIND": FIND, "PYTHON": sys.executable, "PYTHONPATH": "src"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


HIDE = """for mount in $(grep cgroup2 /proc/self/mountinfo | cut -d" " -f5); do umount -l "$mount"; done
! grep -q cgroup2 /proc/self/mountinfo"""


def test_the_root_is_found_without_any_mount_in_sight() -> None:
    assert find_in(f'{HIDE}; "$PYTHON" -c "$FIND"') == "1\n"


def test_a_containers_own_part_is_not_taken_for_the_root(root: int) -> None:
    """In a cgroup namespace the mount's root is the container's group; the first process knows the true one."""
    if not os.access("/proc/1/ns/cgroup", os.R_OK):
        pytest.skip("the first process is kept from root here")
    os.mkdir("kd_test", dir_fd=root)
    try:
        place = f"/proc/{os.getpid()}/fd/{root}/kd_test"
        script = f"""
        echo $$ > {place}/cgroup.procs
        unshare -C sh -ec '{HIDE}
            mkdir -p /tmp/kd_test_cgroup; mount -t cgroup2 none /tmp/kd_test_cgroup
            test "$(stat -c %i /tmp/kd_test_cgroup)" != 1
            "$PYTHON" -c "$FIND"'
        echo $$ > {place}/../cgroup.procs
        """
        assert find_in(script) == "1\n"
    finally:
        os.rmdir("kd_test", dir_fd=root)
