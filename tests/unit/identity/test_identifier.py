from __future__ import annotations

import os
from pathlib import Path

import pytest

from kindling.identity.cgroups import CgroupPaths
from kindling.identity.identifier import Identifier
from kindling.model import Workload
from unit.identity.host import Host

ID = "0123456789abcdef" * 4
SHORT = ID[:12]


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


@pytest.fixture
def identifier(host: Host) -> Identifier:
    return Identifier(host.proc, host.root, CgroupPaths(host.cgroup))


def opened(identifier: Identifier, comm: bytes, tgid: int, cgroup: int = 1) -> Workload:
    return identifier.opened(cgroup=cgroup, netns=1, comm=comm, tgid=tgid, uid=0)


def test_process(host: Host, identifier: Identifier) -> None:
    host.process(7, "curl", exe="/usr/bin/curl")
    workload = opened(identifier, b"curl", 7)
    assert workload == Workload("process", "curl")
    assert (workload.pid, workload.exe) == (7, "/usr/bin/curl")


def test_a_thread_opened_the_socket(host: Host, identifier: Identifier) -> None:
    host.process(7, "java", threads=("http-pool-1",))
    assert opened(identifier, b"http-pool-1", 7).name == "java"


def test_process_that_is_gone(identifier: Identifier) -> None:
    assert opened(identifier, b"wget", 7) == Workload("process", "wget")


def test_process_that_became_another_one(host: Host, identifier: Identifier) -> None:
    host.process(7, "sshd", cgroup="/system.slice/ssh.service")
    assert opened(identifier, b"wget", 7) == Workload("process", "wget")


def test_nothing_known_at_all(identifier: Identifier) -> None:
    assert opened(identifier, b"", 0).kind == "unknown"


def test_long_name_in_full(host: Host, identifier: Identifier) -> None:
    host.process(7, "systemd-resolve", exe="/lib/systemd/systemd-resolved (deleted)")
    assert opened(identifier, b"systemd-resolve", 7).name == "systemd-resolved"


def test_name_of_control_characters(identifier: Identifier) -> None:
    assert opened(identifier, b"\x1b[2J", 7).name == "\\x1b[2J"


def test_unit(host: Host, identifier: Identifier) -> None:
    cgroup = host.process(7, "nginx", cgroup="/system.slice/nginx.service")
    workload = opened(identifier, b"nginx", 7, cgroup)
    assert workload == Workload("unit", "nginx.service")
    assert workload.comm == "nginx"


def test_unit_of_a_process_that_is_gone(host: Host, identifier: Identifier) -> None:
    cgroup = host.cgroup_id("/system.slice/backup.service")
    assert opened(identifier, b"rsync", 7, cgroup) == Workload("unit", "backup.service")


def test_unit_of_a_process_that_moved(host: Host, identifier: Identifier) -> None:
    """A socket belongs to where it was opened."""
    cgroup = host.cgroup_id("/system.slice/first.service")
    host.process(7, "app", cgroup="/system.slice/second.service")
    assert opened(identifier, b"app", 7, cgroup) == Workload("unit", "first.service")


def test_pid_that_another_container_got(host: Host, identifier: Identifier) -> None:
    """The first curl and its container are gone; its pid now is that of a curl elsewhere."""
    other = "fedcba9876543210" * 4
    host.process(7, "curl", cgroup=f"/system.slice/docker-{other}.scope", exe="/other/curl")
    assert opened(identifier, b"curl", 7, 999_999_999_999) == Workload("process", "curl")
    assert opened(identifier, b"curl", 7, 999_999_999_999).exe == ""


def test_pid_that_another_container_got_while_the_first_is_there(host: Host, identifier: Identifier) -> None:
    first = host.cgroup_id(f"/system.slice/docker-{ID}.scope")
    other = "fedcba9876543210" * 4
    host.process(7, "curl", cgroup=f"/system.slice/docker-{other}.scope")
    assert opened(identifier, b"curl", 7, first).container_id == SHORT


def test_cgroup_seen_from_within_another_namespace(host: Host, identifier: Identifier) -> None:
    """Its path says nothing of where it is below our root: the process has to be believed."""
    host.process(7, "nginx", cgroup="/")
    (host.proc / "7" / "cgroup").write_text(f"0::/../../kubepods/podX/{ID}\n")
    assert opened(identifier, b"nginx", 7, 999_999_999_999).container_id == SHORT


def test_container_without_a_name(host: Host, identifier: Identifier) -> None:
    cgroup = host.process(7, "nginx", cgroup=f"/system.slice/docker-{ID}.scope")
    workload = opened(identifier, b"nginx", 7, cgroup)
    assert workload == Workload("container", SHORT, container=SHORT)
    assert workload.container_id == SHORT


def test_container_of_cgroup_v1(host: Host, identifier: Identifier) -> None:
    host.process(7, "nginx", v1=f"4:memory:/docker/{ID}\n1:name=systemd:/docker/{ID}\n")
    assert opened(identifier, b"nginx", 7).container_id == SHORT


@pytest.mark.parametrize(
    "path, state, workload",
    [
        (
            f"var/lib/docker/containers/{ID}/config.v2.json",
            {"Name": "/web", "Config": {"Labels": {}}},
            Workload("container", "web", container="web"),
        ),
        (
            f"run/containerd/io.containerd.runtime.v2.task/k8s.io/{ID}/config.json",
            {
                "annotations": {
                    "io.kubernetes.cri.container-name": "web",
                    "io.kubernetes.cri.sandbox-name": "shop-1",
                    "io.kubernetes.cri.sandbox-namespace": "shop",
                }
            },
            Workload("container", "shop-1", namespace="shop", container="web", pod="shop-1"),
        ),
        (
            f"run/containers/storage/overlay-containers/{ID}/userdata/config.json",
            {
                "annotations": {
                    "io.kubernetes.container.name": "web",
                    "io.kubernetes.pod.name": "shop-1",
                    "io.kubernetes.pod.namespace": "shop",
                }
            },
            Workload("container", "shop-1", namespace="shop", container="web", pod="shop-1"),
        ),
        (
            "var/lib/containers/storage/overlay-containers/containers.json",
            [{"id": "other", "names": ["no"]}, {"id": ID, "names": ["web"]}],
            Workload("container", "web", container="web"),
        ),
        (
            f"var/lib/docker/containers/{ID}/config.v2.json",
            {"Name": 7, "Config": []},
            Workload("container", SHORT, container=SHORT),
        ),
        (
            f"var/lib/docker/containers/{ID}/config.v2.json",
            [],
            Workload("container", SHORT, container=SHORT),
        ),
    ],
)
def test_names_of_containers(host: Host, identifier: Identifier, path: str, state: object, workload: Workload) -> None:
    host.state(path, state)
    cgroup = host.process(7, "nginx", cgroup=f"/system.slice/docker-{ID}.scope")
    assert opened(identifier, b"nginx", 7, cgroup) == workload


@pytest.mark.parametrize(
    "path, state",
    [
        ("home/ann/.local/share/containers/storage/vfs-containers/containers.json", [{"id": ID, "names": ["web"]}]),
        (f"home/ann/.local/share/docker/containers/{ID}/config.v2.json", {"Name": "/web"}),
    ],
)
def test_runtimes_without_root(host: Host, identifier: Identifier, path: str, state: object) -> None:
    (host.root / "etc").mkdir()
    (host.root / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n")
    host.state(path, state)
    cgroup = host.process(
        7, "nginx", cgroup=f"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{ID}.scope/container"
    )
    assert opened(identifier, b"nginx", 7, cgroup) == Workload("container", "web", container="web")


def test_state_that_is_none(host: Host, identifier: Identifier) -> None:
    """Whoever waited for a pipe would wait for ever."""
    file = host.root / f"var/lib/docker/containers/{ID}/config.v2.json"
    file.parent.mkdir(parents=True)
    os.mkfifo(file)
    cgroup = host.process(7, "nginx", cgroup=f"/docker/{ID}")
    assert opened(identifier, b"nginx", 7, cgroup).name == SHORT


def test_state_that_never_ends(host: Host, identifier: Identifier) -> None:
    host.state(f"var/lib/docker/containers/{ID}/config.v2.json", {})
    (host.root / f"var/lib/docker/containers/{ID}/config.v2.json").write_text("[" * 100_000)
    cgroup = host.process(7, "nginx", cgroup=f"/docker/{ID}")
    assert opened(identifier, b"nginx", 7, cgroup).name == SHORT


def test_state_that_is_not_ours_to_see(host: Host, identifier: Identifier, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> object:
        raise PermissionError

    monkeypatch.setattr(Path, "glob", refused)
    cgroup = host.process(7, "nginx", cgroup=f"/docker/{ID}")
    assert opened(identifier, b"nginx", 7, cgroup).name == SHORT


def test_home_that_is_nowhere(host: Host, identifier: Identifier) -> None:
    cgroup = host.process(7, "nginx", cgroup=f"/user.slice/user-1000.slice/user@1000.service/libpod-{ID}.scope")
    assert opened(identifier, b"nginx", 7, cgroup).name == SHORT


def test_docker_that_keeps_its_data_elsewhere(host: Host, identifier: Identifier) -> None:
    host.state("etc/docker/daemon.json", {"data-root": "/data/docker"})
    host.state(f"data/docker/containers/{ID}/config.v2.json", {"Name": "/web"})
    cgroup = host.process(7, "nginx", cgroup=f"/docker/{ID}")
    assert opened(identifier, b"nginx", 7, cgroup).name == "web"


def test_owner_that_nobody_gave(identifier: Identifier) -> None:
    assert identifier.adopted(1 << 63 | 5) is None
