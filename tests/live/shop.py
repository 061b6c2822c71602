"""What runs in the little cluster: a shop, what every cluster has, and destinations outside."""

from __future__ import annotations

from typing import Final

from live import servers
from live.cgroups import v1_root
from live.cluster import (
    CLUSTER_DNS,
    NODE4,
    NODE6,
    OTHER4,
    OTHER_NODE,
    ROUTER4,
    ROUTER6,
    LittleCluster,
    Owner,
    Port,
)
from live.dnat import PLANES, Plane

WEB: Final = "shop/web-7d4b9c6f5-x2abc"
CART_A: Final = "shop/cart-5f6d8c7b9-aaaaa"
CART_B: Final = "shop/cart-5f6d8c7b9-bbbbb"
STOCK: Final = "shop/stock-0"
MIGRATE: Final = "shop/migrate"
DATABASE: Final = "data/pg-1"
ONEOFF: Final = "batch/oneoff-lllll"
REPORT: Final = "batch/report-29364960-kkkkk"
DNS: Final = "kube-system/coredns-66bc5c9577-ccccc"
PROXY: Final = "kube-system/kube-proxy-ppppp"
API: Final = "kube-system/kube-apiserver-worker-1"
EXPORTER: Final = "monitoring/exporter-eeeee"
OLDER: Final = "shop/older-v1"
FIRST: Final = "shop/first"
SECOND: Final = "shop/second"
REMOTE: Final = "shop/remote-6c8d7b5f4-rrrrr"

AGENT: Final = "monitoring/agent-zzzzz"
BALANCER: Final = "kube-system/balancer-vvvvv"

REMOTE4: Final = "10.244.2.5"
INTERNET4: Final = ("203.0.113.80", "203.0.113.81")
INTERNET6: Final = "2001:db8:113::80"
NETWORKS: Final = (
    {"cidr": "203.0.113.0/24", "scope": "public", "label": "internet"},
    {"cidr": "2001:db8:113::/48", "scope": "public", "label": "internet"},
    {"cidr": f"{ROUTER4}/32", "scope": "private", "label": "office"},
)
"""For the settings of the agent: ranges for documentation (RFC 5737, 3849) play the internet. Else, all that is on this
machine would be its own.
"""
OUTSIDE_NAME: Final = "api.example.com"
EXTERNAL_IP: Final = "198.51.100.7"

PORT: Final = 8080
EXPORTER_PORT: Final = 9100
LOCAL4: Final = "169.254.20.10"
"""Of the node, and told to nobody: a DNS cache on each node has such a one."""
SERVED_PORT: Final = 9101
"""Of the same pod, behind a service."""
BALANCER_PORT: Final = 8443
NOBODYS_PORT: Final = 10_250
"""Of a node, and none of its pods."""
NODE_PORT: Final = 30_080


def _deployment(name: str) -> Owner:
    hash_ = {"web": "7d4b9c6f5", "cart": "5f6d8c7b9", "coredns": "66bc5c9577", "remote": "6c8d7b5f4"}[name]
    return Owner("ReplicaSet", f"{name}-{hash_}", hash_)


def populate(cluster: LittleCluster) -> None:
    """Pods, services, and servers that listen."""
    _pods(cluster)
    _servers(cluster)
    _services(cluster)
    _internet(cluster)


def _pods(cluster: LittleCluster) -> None:
    cluster.pod(WEB, 10, owner=_deployment("web"), containers=["web", "sidecar"])
    cluster.pod(CART_A, 11, owner=_deployment("cart"), driver="cgroupfs")
    cluster.pod(CART_B, 12, owner=_deployment("cart"), driver="cgroupfs", qos="besteffort")
    cluster.pod(STOCK, 13, owner=Owner("StatefulSet", "stock"), qos="")
    cluster.pod(MIGRATE, 14, containers=["migrate"], init=["wait-for-it"])
    cluster.pod(DATABASE, 15, owner=Owner("Cluster", "pg"), containers=["postgres"])
    cluster.pod(ONEOFF, 16, owner=Owner("Job", "oneoff"))
    cluster.pod(DNS, 17, owner=_deployment("coredns"), qos="")
    cluster.pod(PROXY, owner=Owner("DaemonSet", "kube-proxy"), containers=["kube-proxy"])
    exporter = Owner("DaemonSet", "exporter")
    cluster.pod(EXPORTER, owner=exporter, driver="cgroupfs", qos="besteffort", ports=[EXPORTER_PORT, SERVED_PORT])
    cluster.pod(API, static=True, containers=["kube-apiserver"], ports=[6443])
    hierarchy = v1_root()
    if hierarchy:
        cluster.pod(OLDER, 18, driver="cgroupfs", hierarchy=hierarchy)
    cluster.other_pod(REMOTE, REMOTE4, _deployment("remote"))
    # on the other node's network: one says its port, a service's slice tells that of the other
    cluster.other_pod(AGENT, OTHER4, Owner("DaemonSet", "agent"), [EXPORTER_PORT])
    cluster.other_pod(BALANCER, OTHER4, Owner("DaemonSet", "balancer"))


def _servers(cluster: LittleCluster) -> None:
    for name, container in ((WEB, "web"), (CART_A, "cart"), (CART_B, "cart"), (STOCK, "stock")):
        serve(cluster, name, container, PORT, *map(cart_port, PLANES))
    cluster.node.ip(f"addr add {LOCAL4}/32 dev lo")
    for name, container, port in ((EXPORTER, "exporter", EXPORTER_PORT), (API, "kube-apiserver", 6443)):
        place = cluster.pods[name][container]
        listens = (
            f"{NODE4}:{port}",
            f"[{NODE6}]:{port}",
            f"10.244.1.1:{port}",
            f"{LOCAL4}:{port}",
            f"{NODE4}:{port + 1}",
        )
        servers.nginx_in(place, cluster.folder / container, listens=listens, port=port)
    others = tuple(str(port) for port in (PORT, EXPORTER_PORT, BALANCER_PORT, NOBODYS_PORT))
    servers.nginx_in(cluster.other_node, cluster.folder / OTHER_NODE, listens=others, port=PORT)
    for port in (53, *map(dns_port, cluster.planes)):
        _dnsmasq(cluster.pods[DNS]["coredns"], cluster.planes, port)


def serve(cluster: LittleCluster, pod: str, container: str, *ports: int) -> None:
    """A web server in a pod of the bridge."""
    listens = [each for port in ports for each in (str(port), f"[::]:{port}")]
    place = cluster.pods[pod][container]
    servers.nginx_in(place, cluster.folder / pod.replace("/", "-"), listens=tuple(listens), port=ports[0])


def _dnsmasq(place: servers.Place, planes: list[Plane], port: int) -> None:
    names = [f"--host-record=cart-{plane.name}.shop.svc.cluster.local,{cart_vip(plane)}" for plane in planes]
    place.start(
        "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--user=root",
        "--pid-file=", "--bind-interfaces", f"--port={port}", "--local=/local/", "--local-ttl=60", *names,
        f"--host-record={OUTSIDE_NAME},{INTERNET4[0]},{INTERNET6}",
    )  # fmt: skip
    place.wait_open(port, "udp")
    place.wait_open(port)


# Each data plane has services of its own, and ports of pods: rows tell which one was used.


def cart_vip(plane: Plane, *, six: bool = False) -> str:
    number = PLANES.index(plane) + 1
    return f"fd00:96:1::{number}" if six else f"10.96.1.{number}"


def cart_port(plane: Plane) -> int:
    return 8081 + PLANES.index(plane)


def dns_vip(plane: Plane) -> str:
    return f"10.96.2.{PLANES.index(plane) + 1}"


def dns_port(plane: Plane) -> int:
    return 5301 + PLANES.index(plane)


def _services(cluster: LittleCluster) -> None:
    pods = cluster.pods
    carts = [pods[CART_A], pods[CART_B]]
    for plane in cluster.planes:
        addresses = [cart_vip(plane), cart_vip(plane, six=True)]
        cluster.service(f"shop/cart-{plane.name}", addresses, [Port(80, cart_port(plane))], carts, plane)
        dns = [Port(53, dns_port(plane), "udp")]
        cluster.service(f"kube-system/dns-{plane.name}", [dns_vip(plane)], dns, [pods[DNS]], plane)
    plane = cluster.planes[0]
    dns = [Port(53, 53, "udp", "dns"), Port(53, 53, "tcp", "dns-tcp")]
    cluster.service("kube-system/kube-dns", [CLUSTER_DNS], dns, [pods[DNS]], plane)
    cluster.service("shop/web", ["10.96.0.20"], [Port(80, PORT)], [pods[WEB]], plane)
    stock = [Port(80, PORT, node_port=NODE_PORT)]
    cluster.service("shop/stock", ["10.96.0.30", EXTERNAL_IP], stock, [pods[STOCK]], plane)
    cluster.slice("kube-system/balancer", [OTHER4], [Port(443, BALANCER_PORT)], BALANCER)
    cluster.service("monitoring/exporter", ["10.96.0.40"], [Port(80, SERVED_PORT)], [pods[EXPORTER]], plane)
    cluster.service("default/kubernetes", ["10.96.0.1"], [Port(443, 6443)], [pods[API]], plane)


def _internet(cluster: LittleCluster) -> None:
    cluster.internet.ip(*(f"addr add {each} dev lo" for each in (*INTERNET4, INTERNET6)))
    listens = (*(f"{each}:80" for each in (*INTERNET4, ROUTER4)), f"[{INTERNET6}]:80", f"[{ROUTER6}]:80")
    servers.nginx_in(cluster.internet, cluster.folder / "internet", listens=listens)
