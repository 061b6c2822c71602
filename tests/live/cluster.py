"""A little cluster of one node: pods are network namespaces on a bridge, their containers cgroups named as kubelet
names them, services rules of the node's netfilter, and an API server knows them all.

    internet ── eth0 [worker-1] cni0 ─┬─ pod
        │                             ├─ pod ...
    worker-2, and its pods            └─ pods on the host's network: in worker-1 itself

What this machine's own network namespace has is left as it is.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, NamedTuple
from uuid import NAMESPACE_DNS, uuid5

from apiserver import ApiServer
from certificates import authority
from live.cgroups import Driver, Qos, cgroup, container_path, pod_path
from live.dnat import PLANES, Plane, Virtual, missing
from live.netns import Namespace, Process, end_all, namespace

NODE: Final = "worker-1"
NODE4, NODE6 = "172.18.0.2", "fc00:18::2"
GATEWAY4, GATEWAY6 = "10.244.1.1", "fd00:244:1::1"
"""The bridge of the node's pods: the first addresses of their ranges."""
OTHER_NODE: Final = "worker-2"
OTHER4 = "172.18.0.3"
ROUTER4, ROUTER6 = "172.18.0.1", "fc00:18::1"
CLUSTER_DNS: Final = "10.96.0.10"

PODS = "/api/v1/pods"
SERVICES = "/api/v1/services"
SLICES = "/apis/discovery.k8s.io/v1/endpointslices"
NODES = "/api/v1/nodes"

#: Holds the network namespace of a pod as long as it lives; the API server does not name it.
_SANDBOX: Final = ""
_TOKEN: Final = "a-token-of-the-service-account"

#: Who leaves the cluster does so under the address of the node.
_LEAVING: Final = """
table ip cni {
    chain out {
        type nat hook postrouting priority srcnat + 5
        ip saddr 10.244.1.0/24 ip daddr != 10.244.0.0/16 oifname eth0 masquerade
    }
}
table ip6 cni {
    chain out {
        type nat hook postrouting priority srcnat + 5
        ip6 saddr fd00:244:1::/64 oifname eth0 masquerade
    }
}
"""

Object = dict[str, Any]


@dataclass(frozen=True)
class Owner:
    """What made a pod."""

    kind: str
    name: str
    hash: str = ""
    """The label pod-template-hash."""


class Port(NamedTuple):
    port: int
    target: int
    """The pods' own."""
    transport: str = "tcp"
    name: str = ""
    node_port: int = 0


@dataclass
class Container:
    """Programs are started in its cgroups, in its pod's network namespace, with its pod's resolver."""

    name: str
    id: str
    where: Namespace
    cgroups: tuple[Path, ...] = ()
    resolv: Path | None = None
    processes: list[Process] = field(default_factory=list)

    def start(self, *command: str, **options: Any) -> Process:
        process = self.where.start(*self._inside(command), **options)
        self.processes.append(process)
        return process

    def run(self, *command: str, timeout: float = 60, check: bool = True) -> str:
        return self.where.run(*self._inside(command), timeout=timeout, check=check)

    def curl(self, url: str, times: int = 1, *options: str) -> None:
        """So many connections, one after the other, with a request each."""
        one = shlex.join(["curl", "-sS", "-o", "/dev/null", "--max-time", "10", *options, url])
        self.run("sh", "-ec", f"for i in $(seq {times}); do {one}; done")

    def wait_open(self, port: int, kind: str = "tcp") -> None:
        self.where.wait_open(port, kind)

    def _inside(self, command: Sequence[str]) -> Sequence[str]:
        join = [f"echo $$ > {folder}/cgroup.procs" for folder in self.cgroups]
        script = "; ".join([*join, 'exec "$@"'])
        if self.resolv is None:
            return ("sh", "-ec", script, "sh", *command)
        mount = f"mount --bind {self.resolv} /etc/resolv.conf"
        return ("unshare", "--mount", "sh", "-ec", f"{mount}; {script}", "sh", *command)


@dataclass
class Pod:
    namespace: str
    name: str
    uid: str
    address4: str
    address6: str
    where: Namespace
    containers: dict[str, Container]
    stack: ExitStack = field(repr=False)
    started: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __getitem__(self, container: str) -> Container:
        return self.containers[container]


class LittleCluster:
    """`with little_cluster(folder) as cluster`. Names and uids are the same ones each time."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self.folder = folder
        self.planes = [plane for plane in PLANES if not missing(plane)]
        self.node = stack.enter_context(namespace(NODE))
        self.internet = stack.enter_context(namespace("internet"))
        self.other_node = stack.enter_context(namespace(OTHER_NODE))
        self.pods: dict[str, Pod] = {}
        self._stack = stack
        self._pods = stack.enter_context(ExitStack())
        self._wire()
        ca = authority(folder)
        with self.node.entered():
            self.api = stack.enter_context(ApiServer(*ca.issue("apiserver")))
        self.api.tokens = {_TOKEN}
        self._ca = ca.cert
        self._put_node(NODE, 1, NODE4, NODE6)
        self._put_node(OTHER_NODE, 2, OTHER4)
        for plane in self.planes:
            plane.begin(self.node)
        self.node.nft(_LEAVING)

    def kubeconfig(self) -> Path:
        """With a token in a file, as a pod has it."""
        token = self.folder / "token"
        token.write_text(_TOKEN, encoding="ascii")
        server = f"https://127.0.0.1:{self.api.port}"
        path = self.folder / "kubeconfig"
        path.write_text(
            f"""
            current-context: little
            contexts: [{{name: little, context: {{cluster: little, user: agent}}}}]
            clusters: [{{name: little, cluster: {{server: "{server}", certificate-authority: "{self._ca}"}}}}]
            users: [{{name: agent, user: {{tokenFile: "{token}"}}}}]
            """,
            encoding="ascii",
        )
        return path

    # --- pods -------------------------------------------------------------------------------

    def pod(
        self,
        full_name: str,
        number: int = 0,
        *,
        owner: Owner | None = None,
        containers: Sequence[str] = (),
        init: Sequence[str] = (),
        driver: Driver = "systemd",
        qos: Qos = "burstable",
        static: bool = False,
        hierarchy: Path | None = None,
        ports: Sequence[int] = (),
        told: bool = True,
    ) -> Pod:
        """A pod runs, and the API server says so (unless `told` is False: then `tell` does).

        `number`: last part of its addresses, 0 for a pod on the node's network. `containers`: named like the
        pod's first part where none are given. `hierarchy`: of cgroup v1, for a node that has no other. `ports`: that
        it says it has on the node's network.
        """
        space, _, name = full_name.partition("/")
        stack = self._pods.enter_context(ExitStack())
        # kubelet names the cgroups of static pods by the hash of their manifest, the API server knows another uid
        uid = uuid5(NAMESPACE_DNS, full_name)
        in_path = uid.hex if static else str(uid)
        where = stack.enter_context(namespace(f"p{number}")) if number else self.node
        made = Pod(
            namespace=space,
            name=name,
            uid=str(uid),
            address4=f"10.244.1.{number}" if number else NODE4,
            address6=f"fd00:244:1::{number}" if number else NODE6,
            where=where,
            containers={},
            stack=stack,
        )
        if number:
            self._plug_in(made)
        resolv = self._resolver(space)
        for each in [_SANDBOX, *init, *(containers or [name.partition("-")[0]])]:
            identity = blake2b(f"{full_name}/{each}".encode(), digest_size=32).hexdigest()
            path = container_path(pod_path(in_path, driver, qos), identity, driver)
            folder = stack.enter_context(cgroup(path, hierarchy))
            container = Container(each, identity, where, (folder,), resolv)
            stack.callback(end_all, container.processes)
            if each == _SANDBOX:
                container.start("sleep", "infinity")
            else:
                made.containers[each] = container
        self.pods[full_name] = made
        if told:
            self.tell(made, owner, init, in_path if static else "", ports)
        return made

    def tell(
        self,
        pod: Pod,
        owner: Owner | None = None,
        init: Sequence[str] = (),
        mirror: str = "",
        ports: Sequence[int] = (),
    ) -> None:
        """The API server learns of a pod that runs."""
        metadata: Object = {"name": pod.name, "namespace": pod.namespace, "uid": pod.uid}
        if owner:
            metadata["ownerReferences"] = [{"kind": owner.kind, "name": owner.name, "controller": True}]
            if owner.hash:
                metadata["labels"] = {"pod-template-hash": owner.hash}
        if mirror:
            metadata["annotations"] = {"kubernetes.io/config.mirror": mirror}
            metadata["ownerReferences"] = [{"kind": "Node", "name": NODE, "controller": True}]
        states = [{"name": each.name, "containerID": f"containerd://{each.id}"} for each in pod.containers.values()]
        self.api.put(
            PODS,
            {
                "metadata": metadata,
                "spec": {"nodeName": NODE, "hostNetwork": pod.where is self.node, "containers": _declared(ports)},
                "status": {
                    "phase": "Running",
                    "startTime": pod.started.strftime("%Y-%m-%dT%H:%M:%SZ"),
                    "podIP": pod.address4,
                    "podIPs": [{"ip": pod.address4}, {"ip": pod.address6}],
                    "containerStatuses": [each for each in states if each["name"] not in init],
                    "initContainerStatuses": [each for each in states if each["name"] in init],
                },
            },
        )

    def other_pod(self, full_name: str, address: str, owner: Owner, ports: Sequence[int] = ()) -> None:
        """On the other node; its programs run outside of any container of ours. `ports`: see `pod`."""
        space, _, name = full_name.partition("/")
        if address != OTHER4:
            self.other_node.ip(f"addr add {address}/32 dev lo")
        metadata = {
            "name": name,
            "namespace": space,
            "uid": str(uuid5(NAMESPACE_DNS, full_name)),
            "labels": {"pod-template-hash": owner.hash},
            "ownerReferences": [{"kind": owner.kind, "name": owner.name, "controller": True}],
        }
        spec = {"nodeName": OTHER_NODE, "hostNetwork": address == OTHER4, "containers": _declared(ports)}
        status = {"phase": "Running", "startTime": "2026-01-01T00:00:00Z", "podIPs": [{"ip": address}]}
        self.api.put(PODS, {"metadata": metadata, "spec": spec, "status": status})

    def end(self, pod: Pod) -> None:
        """Its programs end, its address is free, and the API server says so."""
        pod.stack.close()
        del self.pods[f"{pod.namespace}/{pod.name}"]
        self.api.delete(PODS, pod.name, pod.namespace)

    # --- services ---------------------------------------------------------------------------

    def service(
        self, full_name: str, addresses: Sequence[str], ports: Sequence[Port], backends: Sequence[Pod], plane: Plane
    ) -> None:
        """`addresses`: IPv4, IPv6 or both; those behind the first of a family are its externalIPs."""
        space, _, name = full_name.partition("/")
        four, six = ([each for each in addresses if (":" in each) == wanted] for wanted in (False, True))
        virtual = [*four[:1], *six[:1]]
        listed = [
            {"name": p.name, "port": p.port, "protocol": p.transport.upper(), "nodePort": p.node_port} for p in ports
        ]
        spec = {"clusterIP": virtual[0], "clusterIPs": virtual, "externalIPs": [*four[1:], *six[1:]], "ports": listed}
        self.api.put(SERVICES, {"metadata": {"name": name, "namespace": space}, "spec": spec})
        for family in (four, six):
            if not family:
                continue
            targets = [_address(pod, family is six) for pod in backends]
            self.slice(full_name, targets, ports)
            for port in ports:
                ends = tuple((target, port.target) for target in targets)
                for address in family:
                    plane.add(self.node, Virtual(address, port.port, ends, port.transport))
                if port.node_port:
                    plane.add(self.node, Virtual("", port.node_port, ends, port.transport))

    def slice(self, service: str, addresses: Sequence[str], ports: Sequence[Port], pod: str = "") -> None:
        """What answers for a service, of one family. `pod`: the one that has the addresses, where that is said."""
        space, _, name = service.partition("/")
        family = "IPv6" if ":" in addresses[0] else "IPv4"
        labels = {"kubernetes.io/service-name": name}
        target = {"targetRef": {"kind": "Pod", "uid": str(uuid5(NAMESPACE_DNS, pod))}} if pod else {}
        self.api.put(
            SLICES,
            {
                "metadata": {"name": f"{name}-{family.lower()}", "namespace": space, "labels": labels},
                "addressType": family,
                "endpoints": [{"addresses": [each], **target} for each in addresses],
                "ports": [{"name": p.name, "port": p.target, "protocol": p.transport.upper()} for p in ports],
            },
        )

    # --- wires ------------------------------------------------------------------------------

    def _wire(self) -> None:
        self.node.set(
            ipv4__ip_forward=1,
            ipv6__conf__all__forwarding=1,
            # answers between two pods of the bridge have to pass by what translated the way there
            **{"bridge/bridge-nf-call-iptables": 1, "bridge/bridge-nf-call-ip6tables": 1},
        )
        self.node.ip(
            "link add cni0 type bridge",
            f"addr add {GATEWAY4}/24 dev cni0",
            f"addr add {GATEWAY6}/64 dev cni0 nodad",
            "link set cni0 up",
            f"link add eth0 type veth peer name {NODE} netns {self.internet.name}",
            f"addr add {NODE4}/16 dev eth0",
            f"addr add {NODE6}/64 dev eth0 nodad",
            "link set eth0 up",
        )
        self.other_node.ip(
            f"link add eth0 type veth peer name {OTHER_NODE} netns {self.internet.name}",
            f"addr add {OTHER4}/16 dev eth0",
            "link set eth0 up",
            f"route add 10.244.1.0/24 via {NODE4}",
        )
        self.internet.ip(
            "link add lan type bridge",
            f"addr add {ROUTER4}/16 dev lan",
            f"addr add {ROUTER6}/64 dev lan nodad",
            "link set lan up",
            *(f"link set {each} master lan up" for each in (NODE, OTHER_NODE)),
        )
        self.node.ip(
            f"route add default via {ROUTER4}",
            f"route add default via {ROUTER6}",
            f"route add 10.244.2.0/24 via {OTHER4}",
        )

    def _plug_in(self, pod: Pod) -> None:
        number = int(pod.address4.rpartition(".")[2])
        outer = f"veth{number}"
        # by its address, as plugins for bridges do it: neighbours need not learn who has it next
        hardware = f"0a:58:0a:f4:01:{number:02x}"
        pod.where.ip(
            f"link add eth0 address {hardware} type veth peer name {outer} netns {self.node.name}",
            f"addr add {pod.address4}/24 dev eth0",
            f"addr add {pod.address6}/64 dev eth0 nodad",
            "link set eth0 up",
        )
        # the kernel takes its time to end a namespace
        pod.stack.callback(self.node.ip, f"link del {outer}")
        # hairpin: a pod may reach itself by its service
        self.node.ip(f"link set {outer} master cni0 up", f"link set {outer} type bridge_slave hairpin on")
        pod.where.ip(f"route add default via {GATEWAY4}", f"route add default via {GATEWAY6}")

    def _resolver(self, space: str) -> Path:
        path = self.folder / f"resolv.{space}"
        text = f"nameserver {CLUSTER_DNS}\nsearch {space}.svc.cluster.local svc.cluster.local\noptions attempts:1\n"
        path.write_text(text, encoding="ascii")
        return path

    def _put_node(self, name: str, number: int, *addresses: str) -> None:
        self.api.put(
            NODES,
            {
                "metadata": {"name": name},
                "spec": {"podCIDRs": [f"10.244.{number}.0/24", f"fd00:244:{number}::/64"]},
                "status": {"addresses": [{"type": "InternalIP", "address": each} for each in addresses]},
            },
        )


@contextmanager
def little_cluster(folder: Path) -> Iterator[LittleCluster]:
    with ExitStack() as stack:
        yield LittleCluster(stack, folder)


def _declared(ports: Sequence[int]) -> list[Object]:
    """Containers, as the API server writes down those of a pod on a node's network."""
    return [{"name": "any", "ports": [{"containerPort": port, "hostPort": port, "protocol": "TCP"} for port in ports]}]


def _address(pod: Pod, six: bool) -> str:
    return pod.address6 if six else pod.address4
