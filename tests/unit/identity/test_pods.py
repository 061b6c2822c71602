from __future__ import annotations

from dataclasses import replace

import pytest

from kindling.identity import identifier as identifier_module
from kindling.identity.cgroups import CgroupPaths
from kindling.identity.identifier import Identifier
from kindling.identity.pods import InPods
from kindling.identity.sockets import OlderSocket
from kindling.model import RoleNumber, Workload
from unit.identity.host import Host

ID = "0123456789abcdef" * 4
SHORT = ID[:12]
UID = "8f2c6a1e-0000-4000-8000-000000000001"
STATIC = "0123456789abcdef0123456789abcdef"
POD = Workload("deployment", "web", "shop", pod="web-1", pod_uid=UID)

SYSTEMD = f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{UID.replace('-', '_')}.slice"
CGROUPFS = f"/kubepods/burstable/pod{UID}"
PATHS = [
    pytest.param(f"{SYSTEMD}/cri-containerd-{ID}.scope", id="systemd, containerd"),
    pytest.param(f"{SYSTEMD}/crio-{ID}.scope", id="systemd, CRI-O"),
    pytest.param(f"{CGROUPFS}/{ID}", id="cgroupfs"),
    pytest.param(f"/../..{CGROUPFS}/{ID}", id="seen from a pod's own cgroup namespace"),
    pytest.param(f"/docker/{'f' * 64}/kubelet{CGROUPFS}/{ID}", id="a node that is a container itself"),
]


class Cluster:
    """Knows pods by uid, and some of their containers by id."""

    def __init__(self) -> None:
        self.changes = 0
        self.hopeful = True
        self.by_uid: dict[str, Workload] = {}
        self.containers: dict[str, Workload] = {}

    def workload(self, container_id: str, pod_uid: str) -> Workload | None:
        return self.containers.get(container_id) or self.by_uid.get(pod_uid)

    def at(self, address: str, when: float) -> Workload | None:
        return POD if (address, when) == ("10.244.0.7", 5.0) else None


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
def pods(cluster: Cluster) -> InPods:
    return InPods(cluster)


@pytest.fixture
def host(tmp_path_factory: pytest.TempPathFactory) -> Host:
    return Host(tmp_path_factory.mktemp("host"))


@pytest.fixture
def identifier(host: Host, pods: InPods) -> Identifier:
    return Identifier(host.proc, host.root, CgroupPaths(host.cgroup), pods=pods)


def opened(identifier: Identifier, cgroup: int, tgid: int = 7) -> Workload:
    return identifier.opened(cgroup=cgroup, netns=1, comm=b"nginx", tgid=tgid, uid=0)


@pytest.mark.parametrize("path", PATHS)
def test_the_controller_of_a_container(host: Host, identifier: Identifier, cluster: Cluster, path: str) -> None:
    cluster.containers[SHORT] = replace(POD, container="nginx")
    cgroup = host.process(7, "nginx", exe="/usr/sbin/nginx", cgroup=path)
    workload = opened(identifier, cgroup)
    assert workload == Workload("deployment", "web", "shop", "nginx", "web-1")
    assert (workload.container_id, workload.pod_uid, workload.pid, workload.exe) == (SHORT, UID, 7, "/usr/sbin/nginx")


@pytest.mark.parametrize("path", PATHS[:3])
def test_cgroup_v1(host: Host, identifier: Identifier, cluster: Cluster, path: str) -> None:
    """The kernel names the root of v2, the process tells the rest."""
    cluster.containers[SHORT] = replace(POD, container="nginx")
    host.process(7, "nginx", v1=f"5:memory:{path}\n1:name=systemd:{path}\n")
    assert opened(identifier, 1) == Workload("deployment", "web", "shop", "nginx", "web-1")


@pytest.mark.parametrize("path", PATHS[:3])
def test_a_process_that_is_gone(host: Host, identifier: Identifier, cluster: Cluster, path: str) -> None:
    cluster.containers[SHORT] = replace(POD, container="nginx")
    assert opened(identifier, host.cgroup_id(path)).name == "web"


def test_a_container_without_status_yet(host: Host, identifier: Identifier, cluster: Cluster, pods: InPods) -> None:
    """Kubelet tells of containers a second late: the pod is known, and waiting pays."""
    cluster.by_uid[UID] = POD
    workload = opened(identifier, host.cgroup_id(f"{CGROUPFS}/{ID}"))
    assert workload == Workload("deployment", "web", "shop", SHORT, "web-1")
    assert (pods.final(workload), pods.expected(workload)) == (False, True)
    cluster.containers[SHORT] = replace(POD, container="nginx")
    workload = pods.again(workload)
    assert workload.container == "nginx"
    assert (pods.final(workload), pods.expected(workload)) == (True, False)


def test_the_runtime_names_the_container_before_kubelet_does(
    host: Host, identifier: Identifier, cluster: Cluster, pods: InPods
) -> None:
    cluster.by_uid[UID] = POD
    notes = {"io.kubernetes.cri.container-name": "nginx", "io.kubernetes.cri.sandbox-name": "web-1"}
    host.state(f"run/containerd/io.containerd.runtime.v2.task/k8s.io/{ID}/config.json", {"annotations": notes})
    workload = opened(identifier, host.cgroup_id(f"{CGROUPFS}/{ID}"))
    assert workload == Workload("deployment", "web", "shop", "nginx", "web-1")
    assert pods.final(workload)


def test_a_pod_that_nobody_knows_yet(host: Host, identifier: Identifier, cluster: Cluster, pods: InPods) -> None:
    workload = opened(identifier, host.cgroup_id(f"{SYSTEMD}/cri-containerd-{ID}.scope"))
    assert workload == Workload("container", SHORT, container=SHORT)
    assert (workload.pod_uid, pods.final(workload), pods.expected(workload)) == (UID, False, True)
    cluster.hopeful = False
    assert not pods.expected(workload)
    cluster.containers[SHORT] = replace(POD, container="nginx")
    assert pods.again(workload) == Workload("deployment", "web", "shop", "nginx", "web-1")


def test_a_static_pod_has_the_uid_that_kubelet_gave_it(host: Host, identifier: Identifier, cluster: Cluster) -> None:
    cluster.by_uid[STATIC] = Workload("pod", "etcd", "kube-system", pod="etcd-n1")
    path = f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{STATIC}.slice/cri-containerd-{ID}.scope"
    assert opened(identifier, host.cgroup_id(path)) == Workload("pod", "etcd", "kube-system", SHORT, "etcd-n1")


def test_beside_the_containers_of_a_pod(host: Host, identifier: Identifier, cluster: Cluster, pods: InPods) -> None:
    cluster.by_uid[UID] = POD
    workload = opened(identifier, host.cgroup_id(CGROUPFS))
    assert workload == Workload("deployment", "web", "shop", pod="web-1")
    assert pods.final(workload)


def test_two_pods_on_the_network_of_the_node(host: Host, identifier: Identifier, cluster: Cluster) -> None:
    """Same network namespace, same addresses: cgroups tell them apart."""
    other = UID.replace("8f2c", "9f2c")
    cluster.by_uid |= {UID: POD, other: replace(POD, name="proxy", pod="proxy-1", pod_uid=other)}
    cgroups = [host.cgroup_id(f"{CGROUPFS}/{ID}"), host.cgroup_id(f"/kubepods/burstable/pod{other}/{'a' * 64}")]
    assert [opened(identifier, cgroup).name for cgroup in cgroups] == ["web", "proxy"]


@pytest.mark.parametrize(
    "workload",
    [
        Workload("process", "curl"),
        Workload("unit", "ssh.service"),
        Workload("unknown", "unknown"),
    ],
)
def test_what_runs_in_no_pod(pods: InPods, cluster: Cluster, workload: Workload) -> None:
    cluster.by_uid[""] = POD
    assert pods.again(workload) == workload
    assert (pods.final(workload), pods.expected(workload)) == (True, False)


def test_a_container_of_docker_is_not_waited_for(pods: InPods) -> None:
    workload = Workload("container", "web", container="web", container_id=SHORT)
    assert (pods.again(workload), pods.expected(workload)) == (workload, False)


def test_an_older_socket_of_a_pod_that_is_told_of_after_it_was_found(
    host: Host, identifier: Identifier, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.process(7, "nginx", cgroup=f"{CGROUPFS}/{ID}")
    monkeypatch.setattr(identifier_module, "older_sockets", lambda _: [OlderSocket(5, RoleNumber.SERVER, 7)])
    ((owner, _, _),) = identifier.older_sockets().values()
    first = identifier.adopted(owner)
    cluster.containers[SHORT] = replace(POD, container="nginx")
    assert first == Workload("container", SHORT, container=SHORT)
    found = identifier.adopted(owner)
    assert found == Workload("deployment", "web", "shop", "nginx", "web-1")
    assert found.inferred


def test_a_process_that_was_gone_with_its_cgroup_used_the_address_of_its_pod(pods: InPods) -> None:
    curl = Workload("process", "curl", pid=7, comm="curl")
    found = pods.at(curl, "10.244.0.7", 5.0)
    assert found == Workload("deployment", "web", "shop", pod="web-1")
    assert (found.pid, found.comm) == (7, "curl")
    assert pods.at(curl, "10.244.0.7", 9.0) == curl
    assert pods.at(curl, "192.0.2.1", 5.0) == curl
    assert (pods.placeless(curl), pods.placeless(found)) == (True, False)


@pytest.mark.parametrize("kind", ["unit", "container", "deployment"])
def test_what_is_known_by_its_cgroup_does_not_become_the_pod_whose_address_it_uses(pods: InPods, kind: str) -> None:
    """A proxy of the mesh, for example."""
    proxy = Workload(kind, "ztunnel")
    assert pods.at(proxy, "10.244.0.7", 5.0) == proxy
