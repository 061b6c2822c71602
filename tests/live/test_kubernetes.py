"""A little cluster and an agent on its node: who talks to whom, and whom outside, against a table that tells all of it.

Each row of the table is one of `/api/v1/flows`. Rows that the table does not have are failures, too.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from urllib.request import urlopen

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from e2e.conftest import Agent, start_agent
from live import shop
from live.cgroups import v1_root
from live.cluster import (
    CLUSTER_DNS,
    GATEWAY4,
    NODE,
    NODE4,
    NODE6,
    OTHER4,
    OTHER_NODE,
    ROUTER4,
    LittleCluster,
    Owner,
    little_cluster,
)
from live.dnat import PLANES, Plane, missing
from live.shop import (
    AGENT,
    API,
    BALANCER,
    BALANCER_PORT,
    CART_A,
    CART_B,
    DATABASE,
    DNS,
    EXPORTER,
    EXPORTER_PORT,
    FIRST,
    INTERNET4,
    INTERNET6,
    LOCAL4,
    MIGRATE,
    NOBODYS_PORT,
    OLDER,
    ONEOFF,
    OUTSIDE_NAME,
    PORT,
    PROXY,
    REMOTE,
    REMOTE4,
    REPORT,
    SECOND,
    SERVED_PORT,
    STOCK,
    WEB,
)

pytestmark = [pytest.mark.root, pytest.mark.live]

PATIENCE = 15.0
INTERVAL = 0.5

#: Pods, and the workload that each belongs to.
WORKLOADS = {
    WEB: "deployment/web",
    CART_A: "deployment/cart",
    CART_B: "deployment/cart",
    STOCK: "statefulset/stock",
    MIGRATE: "pod/migrate",
    DATABASE: "cluster/pg",
    ONEOFF: "job/oneoff",
    REPORT: "cronjob/report",
    DNS: "deployment/coredns",
    PROXY: "daemonset/kube-proxy",
    EXPORTER: "daemonset/exporter",
    API: "pod/kube-apiserver",
    OLDER: "pod/older-v1",
    FIRST: "pod/first",
    SECOND: "pod/second",
    REMOTE: "deployment/remote",
    AGENT: "daemonset/agent",
    BALANCER: "daemonset/balancer",
}


class End(NamedTuple):
    """Who is at an end of a connection."""

    namespace: str = ""
    kind: str = ""
    name: str = ""
    pod: str = ""
    container: str = ""
    service: str = ""
    node: str = ""


class Row(NamedTuple):
    """As much of a record as the table tells."""

    who: End
    role: str
    remote_ip: str
    port: int
    """Of the server: a client's remote one, a server's own."""
    peer: End
    transport: str = "tcp"
    name: str = ""
    evidence: str = "address"
    backend: tuple[str, int] = ("", 0)
    """The endpoint that answers for a service, where one pod does."""


# --- how rows of the table are written ----------------------------------------------------------


def of_pod(full_name: str, **more: str) -> End:
    """What is common to all that is said of a pod."""
    kind, _, name = WORKLOADS[full_name].partition("/")
    space, _, pod = full_name.partition("/")
    return End(space, kind, name, pod)._replace(**more)


def pod(full_name: str, service: str = "", node: str = NODE) -> End:
    return of_pod(full_name, service=service, node=node)


def service(full_name: str, behind: str = "", workload: str = "") -> End:
    """`behind`: the pod that answers, where all connections of a client lead to one. `workload`: KIND/NAME of the
    controller of all its pods, where that is not so.
    """
    space, _, name = full_name.partition("/")
    if behind:
        return pod(behind, name)
    kind, _, controller = (workload or f"service/{name}").partition("/")
    return End(space, kind, controller, service=name)


def node(name: str, service: str = "") -> End:
    return End("", "node", name, service=service, node=name)


NOBODY = End()


def row_of(record: dict[str, Any]) -> Row:
    client = record["role"] == "client"
    peer = {key: record[f"peer_{key}"] or "" for key in ("namespace", "workload_kind", "workload", "pod", "service")}
    return Row(
        who=_end(record),
        role=record["role"],
        remote_ip=record["remote_ip"],
        port=record["port"],
        peer=_end(peer)._replace(service=peer["service"], node=record["peer_node"] or ""),
        transport=record["transport"],
        name=record["name"] if client else "",
        evidence=record["evidence"] if client else "address",
        backend=(record["peer_ip"], record["peer_port"]) if record["peer_kind"] == "service" else ("", 0),
    )


def _end(record: dict[str, Any]) -> End:
    return End(*(record.get(key, "") for key in ("namespace", "workload_kind", "workload", "pod", "container")))


# --- the table ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    title: str
    do: Callable[[LittleCluster], None]
    rows: dict[Row, int]
    """With the number of connections."""
    lacks: str = ""
    """Why it cannot be tried here."""


def client(pod: str, container: str, remote: str, port: int, peer: End, **more: Any) -> Row:
    return Row(of_pod(pod, container=container), "client", remote, port, peer, **more)


def server(pod: str, container: str, remote: str, port: int, peer: End, **more: Any) -> Row:
    return Row(of_pod(pod, container=container), "server", remote, port, peer, **more)


def get(pod: str, container: str, url: str, times: int, *options: str) -> Callable[[LittleCluster], None]:
    def do(cluster: LittleCluster) -> None:
        cluster.pods[pod][container].curl(url, times, *options)

    return do


def both(*steps: Callable[[LittleCluster], None]) -> Callable[[LittleCluster], None]:
    def do(cluster: LittleCluster) -> None:
        for step in steps:
            step(cluster)

    return do


WEB4, WEB6 = "10.244.1.10", "fd00:244:1::10"
DNS4 = "10.244.1.17"
STOCK4, STOCK6 = "10.244.1.13", "fd00:244:1::13"
UNNAMED = ("-0", "-H", "Host:")
"""A request that does not say to whom it is sent."""


def _of_plane(plane: Plane) -> Iterator[Case]:
    cart, port = f"shop/cart-{plane.name}", shop.cart_port(plane)
    vip4, vip6 = shop.cart_vip(plane), shop.cart_vip(plane, six=True)
    lacks = missing(plane)
    yield Case(
        f"{plane.name}: pod, service, two pods",
        get(WEB, "web", f"http://{vip4}/", 4),
        {
            client(WEB, "web", vip4, 80, service(cart, workload="deployment/cart"), backend=("", port)): 4,
            server(CART_A, "cart", WEB4, port, pod(WEB)): 2,
            server(CART_B, "cart", WEB4, port, pod(WEB)): 2,
        },
        lacks,
    )
    yield Case(
        f"{plane.name}: the same over IPv6",
        get(WEB, "web", f"http://[{vip6}]/", 2),
        {
            client(WEB, "web", vip6, 80, service(cart, workload="deployment/cart"), backend=("", port)): 2,
            server(CART_A, "cart", WEB6, port, pod(WEB)): 1,
            server(CART_B, "cart", WEB6, port, pod(WEB)): 1,
        },
        lacks,
    )
    yield Case(
        f"{plane.name}: two pods of the host's network, service, two pods",
        both(
            get(EXPORTER, "exporter", f"http://{vip4}/", 2),
            get(PROXY, "kube-proxy", f"http://{vip4}/", 4),
        ),
        {
            client(EXPORTER, "exporter", vip4, 80, service(cart, workload="deployment/cart"), backend=("", port)): 2,
            client(PROXY, "kube-proxy", vip4, 80, service(cart, workload="deployment/cart"), backend=("", port)): 4,
            server(CART_A, "cart", NODE4, port, node(NODE)): 3,
            server(CART_B, "cart", NODE4, port, node(NODE)): 3,
        },
        lacks,
    )
    dns, resolver = shop.dns_vip(plane), f"kube-system/dns-{plane.name}"

    def ask(cluster: LittleCluster) -> None:
        for _ in range(3):
            cluster.pods[DATABASE]["postgres"].run("dig", f"@{dns}", "+tries=1", "+short", OUTSIDE_NAME, "A")

    yield Case(
        f"{plane.name}: DNS over UDP",
        ask,
        {
            client(
                DATABASE,
                "postgres",
                dns,
                53,
                service(resolver, DNS),
                transport="udp",
                backend=(DNS4, shop.dns_port(plane)),
            ): 3,
            server(DNS, "coredns", "10.244.1.15", shop.dns_port(plane), pod(DATABASE), transport="udp"): 1,
        },
        lacks,
    )


def _inside() -> Iterator[Case]:
    yield Case(
        "a pod reaches itself by its service",
        get(WEB, "web", "http://10.96.0.20/", 2),
        {
            client(WEB, "web", "10.96.0.20", 80, service("shop/web", WEB), backend=(WEB4, PORT)): 2,
            # the node lends its address, or the answer would not come back the same way
            server(WEB, "web", GATEWAY4, PORT, node(NODE)): 2,
        },
    )
    yield Case(
        "pod to pod, from two containers",
        both(get(WEB, "web", f"http://{STOCK4}:{PORT}/", 2), get(WEB, "sidecar", f"http://{STOCK4}:{PORT}/", 1)),
        {
            client(WEB, "web", STOCK4, PORT, pod(STOCK, "stock")): 2,
            client(WEB, "sidecar", STOCK4, PORT, pod(STOCK, "stock")): 1,
            # and one by the port of the node, one by the external address: see there
            server(STOCK, "stock", WEB4, PORT, pod(WEB)): 3 + 2,
        },
    )
    yield Case(
        "pod to pod over IPv6",
        get(WEB, "web", f"http://[{STOCK6}]:{PORT}/", 2),
        {
            client(WEB, "web", STOCK6, PORT, pod(STOCK)): 2,
            server(STOCK, "stock", WEB6, PORT, pod(WEB)): 2,
        },
    )
    yield Case(
        "pod to a pod of another node",
        get(WEB, "web", f"http://{REMOTE4}:{PORT}/", 2),
        {client(WEB, "web", REMOTE4, PORT, pod(REMOTE, node=OTHER_NODE)): 2},
    )
    yield Case(
        "pod to a pod of the node's network, by all addresses of the node",
        both(
            get(WEB, "web", f"http://{NODE4}:{EXPORTER_PORT}/", 3),
            get(WEB, "web", f"http://{GATEWAY4}:{EXPORTER_PORT}/", 2),
            get(WEB, "web", f"http://[{NODE6}]:{EXPORTER_PORT}/", 1),
            get(WEB, "web", f"http://{LOCAL4}:{EXPORTER_PORT}/", 2),
        ),
        {
            client(WEB, "web", NODE4, EXPORTER_PORT, pod(EXPORTER)): 3,
            client(WEB, "web", GATEWAY4, EXPORTER_PORT, pod(EXPORTER)): 2,
            client(WEB, "web", NODE6, EXPORTER_PORT, pod(EXPORTER)): 1,
            client(WEB, "web", LOCAL4, EXPORTER_PORT, pod(EXPORTER)): 2,
            server(EXPORTER, "exporter", WEB4, EXPORTER_PORT, pod(WEB)): 7,
            server(EXPORTER, "exporter", WEB6, EXPORTER_PORT, pod(WEB)): 1,
        },
    )
    yield Case(
        "pod to a service whose pod is on the node's network",
        get(WEB, "web", "http://10.96.0.40/", 2),
        {
            client(
                WEB, "web", "10.96.0.40", 80, service("monitoring/exporter", EXPORTER), backend=(NODE4, SERVED_PORT)
            ): 2,
            server(EXPORTER, "exporter", WEB4, SERVED_PORT, pod(WEB)): 2,
        },
    )
    yield Case(
        "pod to another node, and to pods of its network",
        both(
            get(WEB, "web", f"http://{OTHER4}:{EXPORTER_PORT}/", 2),
            get(WEB, "web", f"http://{OTHER4}:{BALANCER_PORT}/", 3),
            get(WEB, "web", f"http://{OTHER4}:{NOBODYS_PORT}/", 1),
        ),
        {
            client(WEB, "web", OTHER4, EXPORTER_PORT, pod(AGENT, node=OTHER_NODE)): 2,
            client(WEB, "web", OTHER4, BALANCER_PORT, pod(BALANCER, "balancer", OTHER_NODE)): 3,
            client(WEB, "web", OTHER4, NOBODYS_PORT, node(OTHER_NODE)): 1,
        },
    )
    yield Case(
        "pod to the API server, a static pod",
        get(WEB, "web", "http://10.96.0.1:443/", 1),
        {
            client(WEB, "web", "10.96.0.1", 443, service("default/kubernetes")): 1,
            server(API, "kube-apiserver", WEB4, 6443, pod(WEB)): 1,
        },
    )
    yield Case(
        "pod to a service by a port of the node and by an external address",
        both(
            get(WEB, "web", f"http://{NODE4}:{shop.NODE_PORT}/", 1),
            get(WEB, "web", f"http://{shop.EXTERNAL_IP}/", 1),
        ),
        {
            client(WEB, "web", NODE4, shop.NODE_PORT, service("shop/stock", STOCK), backend=(STOCK4, PORT)): 1,
            client(WEB, "web", shop.EXTERNAL_IP, 80, service("shop/stock", STOCK), backend=(STOCK4, PORT)): 1,
        },
    )
    yield Case(
        "two pods of the host's network to a pod",
        both(
            get(EXPORTER, "exporter", f"http://{STOCK4}:{PORT}/", 3),
            get(PROXY, "kube-proxy", f"http://{STOCK4}:{PORT}/", 2),
        ),
        {
            client(EXPORTER, "exporter", STOCK4, PORT, pod(STOCK, "stock")): 3,
            client(PROXY, "kube-proxy", STOCK4, PORT, pod(STOCK, "stock")): 2,
            server(STOCK, "stock", GATEWAY4, PORT, node(NODE)): 5,
        },
    )
    yield Case(
        "a pod of its own, its init container, a Job",
        both(
            get(MIGRATE, "wait-for-it", f"http://{STOCK4}:{PORT}/", 2),
            get(MIGRATE, "migrate", f"http://{STOCK4}:{PORT}/", 1),
            get(ONEOFF, "oneoff", f"http://{STOCK4}:{PORT}/", 1),
        ),
        {
            client(MIGRATE, "wait-for-it", STOCK4, PORT, pod(STOCK, "stock")): 2,
            client(MIGRATE, "migrate", STOCK4, PORT, pod(STOCK, "stock")): 1,
            client(ONEOFF, "oneoff", STOCK4, PORT, pod(STOCK, "stock")): 1,
            server(STOCK, "stock", "10.244.1.14", PORT, pod(MIGRATE)): 3,
            server(STOCK, "stock", "10.244.1.16", PORT, pod(ONEOFF)): 1,
        },
    )
    yield Case(
        "a pod whose cgroup is one of v1",
        get(OLDER, "older", f"http://{STOCK4}:{PORT}/", 2),
        {
            # the process was gone before anybody could look: the address tells the pod
            client(OLDER, "", STOCK4, PORT, pod(STOCK, "stock")): 2,
            server(STOCK, "stock", "10.244.1.18", PORT, pod(OLDER)): 2,
        },
        "" if v1_root() else "no hierarchy of cgroup v1 is mounted here",
    )


def _outside() -> Iterator[Case]:
    first, second = INTERNET4
    yield Case(
        "outside by name: told by the cluster's DNS",
        get(WEB, "web", f"http://{OUTSIDE_NAME}/", 2, "-4", *UNNAMED),
        {
            client(
                WEB,
                "web",
                CLUSTER_DNS,
                53,
                service("kube-system/kube-dns", DNS),
                transport="udp",
                backend=(DNS4, 53),
            ): 2,
            server(DNS, "coredns", WEB4, 53, pod(WEB), transport="udp"): 1,
            client(WEB, "web", first, 80, NOBODY, name=OUTSIDE_NAME, evidence="dns"): 2,
        },
    )
    yield Case(
        "outside by bare address",
        both(
            get(DATABASE, "postgres", f"http://{second}/", 3),
            get(DATABASE, "postgres", f"http://[{INTERNET6}]/", 1),
            get(DATABASE, "postgres", f"http://{ROUTER4}/", 1),
        ),
        {
            client(DATABASE, "postgres", second, 80, NOBODY): 3,
            client(DATABASE, "postgres", INTERNET6, 80, NOBODY): 1,
            client(DATABASE, "postgres", ROUTER4, 80, NOBODY): 1,
        },
    )
    yield Case(
        "a static pod of the host's network to the outside",
        get(API, "kube-apiserver", f"http://{second}/", 2),
        {client(API, "kube-apiserver", second, 80, NOBODY): 2},
    )


def _in_time() -> Iterator[Case]:
    short = "10.244.1.19"

    def lives_2_seconds(cluster: LittleCluster) -> None:
        owner = Owner("Job", "report-29364960")
        made = cluster.pod(REPORT, 19, owner=owner, told=False)
        made["report"].curl(f"http://{STOCK4}:{PORT}/", 2)
        # kubelet writes down the state of a pod about a second late
        time.sleep(1)
        cluster.tell(made, owner)
        time.sleep(1)
        cluster.end(made)

    yield Case(
        "a pod of a CronJob that lives for 2 s",
        lives_2_seconds,
        {
            client(REPORT, "report", STOCK4, PORT, pod(STOCK, "stock")): 2,
            server(STOCK, "stock", short, PORT, pod(REPORT)): 2,
        },
    )
    shared = "10.244.1.20"

    def one_after_the_other(cluster: LittleCluster) -> None:
        first = cluster.pod(FIRST, 20)
        shop.serve(cluster, FIRST, "first", PORT)
        cluster.pods[WEB]["web"].curl(f"http://{shared}:{PORT}/", 1)
        first["first"].curl(f"http://{STOCK4}:{PORT}/", 2)
        time.sleep(2 * INTERVAL)
        cluster.end(first)
        second = cluster.pod(SECOND, 20, told=False)
        shop.serve(cluster, SECOND, "second", PORT)
        cluster.pods[WEB]["web"].curl(f"http://{shared}:{PORT}/", 2)
        second["second"].curl(f"http://{STOCK4}:{PORT}/", 3)
        time.sleep(1)
        cluster.tell(second)

    yield Case(
        "an address that another pod has at once",
        one_after_the_other,
        {
            client(WEB, "web", shared, PORT, pod(FIRST)): 1,
            server(FIRST, "first", WEB4, PORT, pod(WEB)): 1,
            client(FIRST, "first", STOCK4, PORT, pod(STOCK, "stock")): 2,
            server(STOCK, "stock", shared, PORT, pod(FIRST)): 2,
            client(WEB, "web", shared, PORT, pod(SECOND)): 2,
            server(SECOND, "second", WEB4, PORT, pod(WEB)): 2,
            client(SECOND, "second", STOCK4, PORT, pod(STOCK, "stock")): 3,
            server(STOCK, "stock", shared, PORT, pod(SECOND)): 3,
        },
    )


CASES = [case for plane in PLANES for case in _of_plane(plane)] + [*_inside(), *_outside(), *_in_time()]


# --- the agent ----------------------------------------------------------------------------------


@dataclass
class Watched:
    """The cluster after all that the table has, and the agent that saw it."""

    cluster: LittleCluster
    agent: Agent

    def records(self, table: str = "flows") -> list[dict[str, Any]]:
        with self.cluster.node.entered():
            return self.agent.rows(table)

    def rows(self) -> Counter[Row]:
        """Of the pods of this node, and of whoever else uses their addresses."""
        found: Counter[Row] = Counter()
        for record in self.records():
            if record["namespace"] or record["local_ip"].startswith(("10.244.1.", "172.18.0.2", "fd00:244:1:", NODE6)):
                found[row_of(record)] += record["opened"]
        return found


@contextmanager
def agent_of(cluster: LittleCluster, folder: Path) -> Iterator[Agent]:
    """An agent for which the node's network is that of the machine's first process, as it is on a node."""
    config = folder / "kindling.yaml"
    settings = {
        "interval": INTERVAL,
        "kubernetes": {"mode": "cluster", "node": NODE, "kubeconfig": str(cluster.kubeconfig())},
        "names": {"networks": shop.NETWORKS},
    }
    config.write_text(yaml.safe_dump(settings), encoding="ascii")
    first = cluster.node.start("sleep", "infinity")
    within = (
        *("nsenter", f"--net={cluster.node.path}", "unshare", "--mount", "--propagation", "private"),
        *("sh", "-ec", f'mount --bind /proc/{first.pid} /proc/1; exec "$@"', "sh"),
    )
    (folder / "data").mkdir()
    with start_agent(folder / "data", "--config", str(config), within=within) as agent:
        yield agent


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("cluster")
    with little_cluster(folder) as cluster:
        shop.populate(cluster)
        with agent_of(cluster, tmp_path_factory.mktemp("agent")) as agent:
            for case in CASES:
                if not case.lacks:
                    case.do(cluster)
            yield settled(Watched(cluster, agent))


def expected() -> Counter[Row]:
    rows: Counter[Row] = Counter()
    for case in CASES:
        if not case.lacks:
            rows.update(case.rows)
    return rows


def settled(watched: Watched) -> Watched:
    """As soon as all is as it should be; after a while, however it is: the tests tell what is wrong."""
    end = time.monotonic() + PATIENCE
    while watched.rows() != expected() and time.monotonic() < end:
        time.sleep(0.2)
    return watched


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_flows(watched: Watched, case: Case) -> None:
    if case.lacks:
        pytest.skip(case.lacks)
    at = {row[:4] for row in case.rows}
    assert {row: n for row, n in watched.rows().items() if row[:4] in at} == case.rows


def test_no_other_flows(watched: Watched) -> None:
    known = {row[:4] for row in expected()}
    assert {row: n for row, n in watched.rows().items() if row[:4] not in known} == {}


def test_who_answers_for_services(watched: Watched) -> None:
    """All pods that answered a client, where they were several, too."""
    carts = {CART_A, CART_B}
    wanted = {f"shop/cart-{plane.name}": carts for plane in watched.cluster.planes}
    wanted |= {f"kube-system/dns-{plane.name}": {DNS} for plane in watched.cluster.planes}
    wanted |= {"kube-system/kube-dns": {DNS}, "shop/web": {WEB}, "shop/stock": {STOCK}}
    wanted |= {"default/kubernetes": {API}, "monitoring/exporter": {EXPORTER}}
    found = [
        (f"{record['peer_namespace']}/{record['peer_service']}", set(record["peer_backends"]))
        for record in watched.records()
        if record["role"] == "client" and record["peer_kind"] == "service"
    ]
    assert [(name, backends) for name, backends in found if wanted.get(name) != backends] == []
    assert {name for name, _ in found} == set(wanted)


# --- the same as metrics, and as the list of what is outside --------------------------------------

#: Endpoints of pods, and the services for which they answer.
SERVED = {
    **{(cart, port): f"cart-{plane.name}" for plane in PLANES for cart in (CART_A, CART_B)
       for port in [shop.cart_port(plane)]},
    (WEB, PORT): "web",
    (STOCK, PORT): "stock",
    (API, 6443): "kubernetes",
    (EXPORTER, SERVED_PORT): "exporter",
    (DNS, 53): "kube-dns",
}  # fmt: skip


class Asked(NamedTuple):
    """Of kindling_topology_*."""

    src: End
    dst: End
    dst_ip: str
    dst_port: int


class Answered(NamedTuple):
    """Of kindling_entity_*."""

    who: End
    port: int


class Destination(NamedTuple):
    """Of kindling_external_* and /api/v1/external."""

    who: End
    destination: str
    port: int
    scope: str
    evidence: str


def samples(watched: Watched, name: str) -> Iterator[tuple[dict[str, str], float]]:
    with watched.cluster.node.entered(), urlopen(f"{watched.agent.url}/metrics", timeout=PATIENCE) as answer:
        text = answer.read().decode()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == name:
                yield sample.labels, sample.value


def end(labels: dict[str, str], side: str = "", *, container: bool = True) -> End:
    keys = ["namespace", "workload_kind", "workload_name", "pod", "container", "service", "node"]
    found = End(*(labels.get(f"{side}{key}", "") for key in keys))
    return found if container else found._replace(container="")


def test_the_connection_tracking_of_the_node_was_asked(watched: Watched) -> None:
    """By a thread of the agent, which has given all else up by then."""
    (found,) = (value for _, value in samples(watched, "kindling_kubernetes_service_backends_found_total"))
    assert found > 0


def test_topology_metrics(watched: Watched) -> None:
    found: Counter[Asked] = Counter()
    for labels, value in samples(watched, "kindling_topology_request_total"):
        # what plays the internet is a process of this machine
        if labels["src_namespace"] and labels["dst_workload_kind"] not in {"", "process"}:
            dst = end(labels, "dst_", container=False)
            found[Asked(end(labels, "src_"), dst, labels["dst_ip"], int(labels["dst_port"]))] += int(value)
    wanted: Counter[Asked] = Counter()
    for row, n in expected().items():
        if row.role == "client" and row.peer != NOBODY:
            address, port = row.backend if row.backend[0] else (row.remote_ip, row.port)
            wanted[Asked(row.who._replace(node=NODE), row.peer, address, port)] += n
    assert found == wanted


def test_entity_metrics(watched: Watched) -> None:
    found: Counter[Answered] = Counter()
    for labels, value in samples(watched, "kindling_entity_request_total"):
        if labels["namespace"] and labels["ip"].startswith(("10.", "172.", LOCAL4)):
            found[Answered(end(labels), int(labels["port"]))] += int(value)
    wanted: Counter[Answered] = Counter()
    for row, n in expected().items():
        if row.role == "server" and ":" not in row.remote_ip and row.transport == "tcp":
            served = SERVED.get((f"{row.who.namespace}/{row.who.pod}", row.port), "")
            wanted[Answered(row.who._replace(service=served, node=NODE), row.port)] += n
    # two questions from one port of the resolver's
    wanted[Answered(of_pod(DNS, container="coredns", service="kube-dns", node=NODE), 53)] = 2
    assert found == wanted


def test_workload_info(watched: Watched) -> None:
    found = {end(labels)[:3] for labels, _ in samples(watched, "kindling_k8s_workload_info") if labels["namespace"]}
    silent = {REMOTE, AGENT, BALANCER, *([] if v1_root() else [OLDER])}
    assert found == {of_pod(each)[:3] for each in WORKLOADS if each not in silent}


def outside() -> Counter[Destination]:
    return Counter(
        {
            Destination(
                row.who,
                row.name or row.remote_ip,
                row.port,
                "private" if row.remote_ip == ROUTER4 else "public",
                row.evidence,
            ): n
            for row, n in expected().items()
            if row.role == "client" and row.peer == NOBODY
        }
    )


def test_external_metrics(watched: Watched) -> None:
    found: Counter[Destination] = Counter()
    for labels, value in samples(watched, "kindling_external_connections_total"):
        who = end(labels, "src_")._replace(node="")
        where = Destination(who, labels["destination"], int(labels["dst_port"]), labels["scope"], labels["evidence"])
        if who.namespace:
            found[where] += int(value)
    assert found == outside()


def test_the_list_of_what_is_outside(watched: Watched) -> None:
    """Pods of one workload are one in it: it has to be short after a month, too."""
    found: Counter[Destination] = Counter()
    for record in watched.records("external"):
        at = Destination(_end(record), record["destination"], record["port"], record["scope"], record["evidence"])
        if record["namespace"]:
            found[at] += record["connections"]
    wanted = Counter({row._replace(who=row.who._replace(pod="")): n for row, n in outside().items()})
    assert found == wanted


def test_external_addresses_by_the_query_of_the_contract(watched: Watched) -> None:
    """count by (dst_ip) (kindling_trace_request_duration_nanoseconds{dst_ip!~"127..*|10..*|172..*"})"""
    name = "kindling_trace_request_duration_nanoseconds"
    found = {labels["dst_ip"] for labels, _ in samples(watched, name) if labels["src_namespace"]}
    assert {each for each in found if not each.startswith(("127.", "10.", "172."))} == {*INTERNET4, INTERNET6}
