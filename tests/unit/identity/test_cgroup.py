from __future__ import annotations

import pytest

from kindling.identity.cgroup import Container, container_of, unit_of

ID = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    "path, runtime",
    [
        (f"/docker/{ID}", "docker"),
        (f"/system.slice/docker-{ID}.scope", "docker"),
        (f"/system.slice/docker-{ID}.scope/init.scope", "docker"),
        (f"/kubepods/burstable/pod1-2-3/{ID}", "containerd"),
        (f"/kubepods.slice/kubepods-pod1.slice/cri-containerd-{ID}.scope", "containerd"),
        (f"/system.slice/containerd.service/kubepods-besteffort-pod1.slice:cri-containerd:{ID}", "containerd"),
        (f"/kubepods.slice/kubepods-pod1.slice/crio-{ID}.scope", "cri-o"),
        (f"/kubepods/pod1/crio-{ID}", "cri-o"),
        (f"/machine.slice/libpod-{ID}.scope/container", "podman"),
        (f"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{ID}.scope", "podman"),
        (f"/libpod_parent/libpod-{ID}", "podman"),
        (f"/default/{ID}", ""),
        (f"/system.slice/nerdctl-{ID}.scope", "containerd"),
        (f"/docker/{'f' * 64}/kubepods/pod1/{ID}", "containerd"),
    ],
)
def test_containers(path: str, runtime: str) -> None:
    assert container_of(path) == Container(runtime, ID, "1000" if "user-1000" in path else "")


@pytest.mark.parametrize(
    "path, container",
    [
        ("/lxc/web/init", Container("lxc", "web")),
        ("/lxc.payload.web", Container("lxc", "web")),
        ("/machine.slice/machine-deb\\x2d12.scope", Container("nspawn", "deb-12")),
        ("/machine.slice/systemd-nspawn@web.service/payload", Container("nspawn", "web")),
    ],
)
def test_system_containers(path: str, container: Container) -> None:
    assert container_of(path) == container


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "",
        "/system.slice/nginx.service",
        f"/machine.slice/libpod-conmon-{ID}.scope",
        f"/kubepods.slice/crio-conmon-{ID}.scope",
        f"/a/{ID[:63]}",
        f"/a/{ID}0",
    ],
)
def test_no_containers(path: str) -> None:
    assert container_of(path) is None


@pytest.mark.parametrize(
    "path, unit",
    [
        ("/system.slice/nginx.service", "nginx.service"),
        ("/system.slice/system-getty.slice/getty@tty1.service", "getty@tty1.service"),
        ("/user.slice/user-1000.slice/user@1000.service/app.slice/web.service", "web.service"),
        ("/user.slice/user-1000.slice/user@1000.service/init.scope", ""),
        ("/user.slice/user-1000.slice/session-3.scope", ""),
        ("/system.slice/dbus\\x2dbroker.service", "dbus-broker.service"),
        ("/init.scope", ""),
        ("/", ""),
    ],
)
def test_units(path: str, unit: str) -> None:
    assert unit_of(path) == unit


def test_short_id() -> None:
    assert Container("docker", ID).short_id == ID[:12]
