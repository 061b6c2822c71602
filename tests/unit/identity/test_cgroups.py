from __future__ import annotations

from pathlib import Path

from kindling.identity.cgroups import CgroupPaths, cgroup2_root


def test_searches_no_more_than_once_a_second(tmp_path: Path) -> None:
    now = [10.0]
    paths = CgroupPaths(tmp_path, lambda: now[0])
    assert paths.path(1) == ""
    late = tmp_path / "a" / "late.service"
    late.mkdir(parents=True)
    inode = late.stat().st_ino
    assert paths.path(inode) == ""
    now[0] += 1
    assert paths.path(inode) == "/a/late.service"


def test_remembers_what_is_gone(tmp_path: Path) -> None:
    folder = tmp_path / "x.service"
    folder.mkdir()
    inode = folder.stat().st_ino
    paths = CgroupPaths(tmp_path)
    assert paths.is_at(inode, "/x.service")
    assert not paths.is_at(inode, "/y.service")
    folder.rmdir()
    assert paths.path(inode) == "/x.service"
    assert paths.is_at(inode, "/x.service")


def test_paths_outside_of_the_tree(tmp_path: Path) -> None:
    """In a cgroup namespace /proc shows paths that lead upwards."""
    assert not CgroupPaths(tmp_path).is_at(tmp_path.stat().st_ino, "/../" + tmp_path.name)


def test_without_cgroup_v2() -> None:
    paths = CgroupPaths(None)
    assert paths.path(5) == ""
    assert not paths.is_at(5, "/")


def test_where_cgroup_v2_is() -> None:
    mounts = "proc /proc proc rw 0 0\ncgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n"
    assert cgroup2_root(mounts) == Path("/sys/fs/cgroup/unified")
    assert cgroup2_root("proc /proc proc rw 0 0\n") is None
