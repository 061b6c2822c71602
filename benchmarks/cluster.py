"""A cluster that does not exist: what an API server has to say of it, and how its addresses change hands.

`python -m benchmarks.cluster PODS SERVICES NODES HOME` serves it, over TLS, with a service account in HOME. Each line
of its standard input is a command in JSON, each line of its output the answer; the first one says where it listens.
"""

from __future__ import annotations

import heapq
import itertools
import json
import random
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from apiserver import ApiServer
from certificates import authority

PODS = "/api/v1/pods"
SERVICES = "/api/v1/services"
SLICES = "/apis/discovery.k8s.io/v1/endpointslices"
NODES = "/api/v1/nodes"
PATHS = (PODS, SERVICES, SLICES, NODES)
VACANT = (0.5, 3.0)
"""Seconds for which an address that was given back belongs to nobody."""
YOUNG = 6.0
"""Seconds for which every fifth pod lives: its address changes hands again and again."""
WAITING = 8.0
"""Seconds at most from a pod's start, as its status has it, until it has an address: volumes are mounted first."""
PORT = 8080
TOKEN = "a-token-of-a-service-account"
_START = 3600.0
"""Seconds before now at which all that is there at first began."""

Object = dict[str, Any]


@dataclass(slots=True)
class Tenure:
    """Who had an address."""

    address: str
    pod: str
    service: int
    since: float
    until: float = 0.0


class ImaginaryCluster:
    def __init__(self, server: ApiServer, pods: int, services: int, nodes: int) -> None:
        self.history: list[Tenure] = []
        self._server = server
        self._nodes = nodes
        self._some = random.Random(1)
        self._numbers = itertools.count(1)
        self._young: deque[Tenure] = deque()
        self._behind: list[dict[str, str]] = [{} for _ in range(services)]
        for number in range(nodes):
            server.put(NODES, _node(number))
        since = time.time() - _START
        for number in range(pods):
            service, address = number % services, _pod_address(number)
            name, node = self._name(service)
            server.put(PODS, _pod(name, service, node, address, since))
            self._hold(Tenure(address, name, service, since))
        self._old = list(self.history)
        for number in range(services):
            server.put(SERVICES, _service(number))
            self._publish(number)

    def churn(self, changes: int, seconds: float) -> Object:
        """So many addresses go from one pod to another, evenly spread over the time.

        Of each: the next pod is there and waits, the pod ends, nobody has the address, the next pod has it.
        """
        began = time.time()
        plan: list[tuple[float, int, Callable[[float], None]]] = []
        order = itertools.count()

        def at(when: float, do: Callable[[float], None]) -> None:
            heapq.heappush(plan, (when, next(order), do))

        for number in range(changes):
            ends = began + number * seconds / changes
            gone = self._doomed(ends)
            coming = self._name(gone.service)
            starts = max(began, ends - self._some.uniform(0, WAITING))
            runs = ends + self._some.uniform(*VACANT)
            after = Tenure(gone.address, coming[0], gone.service, runs)
            if number % 5 == 0:
                self._young.append(after)
            at(starts, partial(self._schedule, coming, gone.service))
            at(ends, partial(self._remove, gone))
            at(runs, partial(self._run, coming, after, starts))
        latest = 0.0
        while plan:
            due, _, do = heapq.heappop(plan)
            time.sleep(max(0.0, due - time.time()))
            latest = max(latest, time.time() - due)
            do(time.time())
        return {"took_s": time.time() - began, "latest_s": latest}

    def tenures(self, after: float) -> list[list[object]]:
        """[address, pod, since, until (0: still its own)], of those that ended after a time."""
        return [[t.address, t.pod, t.since, t.until] for t in self.history if not t.until or t.until > after]

    def _doomed(self, when: float) -> Tenure:
        """A pod that will go then: first of all those that live shortly."""
        if self._young and self._young[0].since + YOUNG < when:
            return self._young.popleft()
        at = self._some.randrange(len(self._old))
        tenure, last = self._old[at], self._old.pop()
        if tenure is not last:
            self._old[at] = last
        return tenure

    def _name(self, service: int) -> tuple[str, int]:
        """Of a new pod, and its node."""
        number = next(self._numbers)
        return f"service-{service}-{_hash(service)}-{number:05d}", number % self._nodes

    def _schedule(self, who: tuple[str, int], service: int, now: float) -> None:
        name, node = who
        self._server.put(PODS, _pod(name, service, node, "", now))

    def _run(self, who: tuple[str, int], tenure: Tenure, started: float, now: float) -> None:
        name, node = who
        self._server.put(PODS, _pod(name, tenure.service, node, tenure.address, started))
        tenure.since = now
        self._hold(tenure)
        self._publish(tenure.service)

    def _remove(self, tenure: Tenure, now: float) -> None:
        tenure.until = now
        del self._behind[tenure.service][tenure.pod]
        self._server.delete(PODS, tenure.pod, _namespace(tenure.service))
        self._publish(tenure.service)

    def _hold(self, tenure: Tenure) -> None:
        self.history.append(tenure)
        self._behind[tenure.service][tenure.pod] = tenure.address

    def _publish(self, service: int) -> None:
        self._server.put(SLICES, _slice(service, self._behind[service]))


# --- objects as a real API server shows them, with all that nobody here asks for --------------------------------------


def _pod_address(number: int) -> str:
    return f"10.{128 + number // 65_536}.{number // 256 % 256}.{number % 256}"


def _service_address(number: int) -> str:
    return f"10.96.{number // 256}.{number % 256}"


def _namespace(service: int) -> str:
    return f"team-{service % 50}"


def _hash(service: int) -> str:
    return f"{service:08x}bf"


def _uid(pod: str) -> str:
    return f"{hash(pod) % 2**32:08x}-1111-4222-8333-{hash(pod) % 2**48:012x}"


def _rfc3339(when: float) -> str:
    return datetime.fromtimestamp(int(when), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _managed(manager: str, when: float, paths: tuple[str, ...]) -> Object:
    fields: Object = {}
    for path in paths:
        at = fields
        for step in path.split("/"):
            at = at.setdefault(f"f:{step}", {})
    return {
        "manager": manager,
        "operation": "Update",
        "apiVersion": "v1",
        "time": _rfc3339(when),
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
    }


def _pod(name: str, service: int, node: int, address: str, since: float) -> Object:
    app = f"service-{service}"
    container = {
        "name": "app",
        "image": f"registry.example.com/shop/{app}:1.{service}.0",
        "ports": [{"name": "http", "containerPort": PORT, "protocol": "TCP"}],
        "env": [{"name": f"SETTING_{i}", "value": f"value {i} of {app}"} for i in range(15)],
        "resources": {"limits": {"memory": "256Mi"}, "requests": {"cpu": "100m", "memory": "256Mi"}},
        "volumeMounts": [
            {"name": "config", "mountPath": "/etc/app"},
            {
                "name": "kube-api-access-abcde",
                "readOnly": True,
                "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
            },
        ],
        "livenessProbe": {"httpGet": {"path": "/live", "port": "http", "scheme": "HTTP"}, "periodSeconds": 10},
        "readinessProbe": {"httpGet": {"path": "/ready", "port": "http", "scheme": "HTTP"}, "periodSeconds": 10},
        "terminationMessagePath": "/dev/termination-log",
        "imagePullPolicy": "IfNotPresent",
        "securityContext": {"capabilities": {"drop": ["ALL"]}, "runAsNonRoot": True},
    }
    running = {
        "name": "app",
        "state": {"running": {"startedAt": _rfc3339(since)}},
        "lastState": {},
        "ready": True,
        "restartCount": 0,
        "image": container["image"],
        "imageID": f"registry.example.com/shop/{app}@sha256:{service:064x}",
        "containerID": f"containerd://{hash(name) % 2**64:064x}",
        "started": True,
    }
    conditions = [
        {"type": kind, "status": "True", "lastProbeTime": None, "lastTransitionTime": _rfc3339(since)}
        for kind in ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
    ]
    template = 'spec/containers/k:{"name":"app"}'
    status: Object = {
        "phase": "Pending",
        "conditions": conditions[-1:],
        "startTime": _rfc3339(since),
        "qosClass": "Burstable",
    }
    if address:
        status = {
            "phase": "Running",
            "conditions": conditions,
            "hostIP": _node_address(node),
            "hostIPs": [{"ip": _node_address(node)}],
            "podIP": address,
            "podIPs": [{"ip": address}],
            "startTime": _rfc3339(since),
            "containerStatuses": [running],
            "qosClass": "Burstable",
        }
    return {
        "metadata": {
            "name": name,
            "generateName": f"{app}-{_hash(service)}-",
            "namespace": _namespace(service),
            "uid": _uid(name),
            "creationTimestamp": _rfc3339(since),
            "labels": {
                "app.kubernetes.io/name": app,
                "app.kubernetes.io/instance": app,
                "app.kubernetes.io/version": f"1.{service}.0",
                "pod-template-hash": _hash(service),
            },
            "annotations": {"checksum/config": f"{service:064x}", "prometheus.io/scrape": "true"},
            "ownerReferences": [
                {
                    "apiVersion": "apps/v1",
                    "kind": "ReplicaSet",
                    "name": f"{app}-{_hash(service)}",
                    "uid": f"{service:08x}-0000-4000-8000-000000000000",
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
            "managedFields": [
                _managed(
                    "kube-controller-manager",
                    since,
                    (
                        *("metadata/generateName", "metadata/labels/app", "metadata/ownerReferences"),
                        *(f"{template}/{each}" for each in container),
                        *(f'{template}/env/k:{{"name":"SETTING_{i}"}}/value' for i in range(15)),
                        *("spec/restartPolicy", "spec/schedulerName", "spec/serviceAccountName", "spec/volumes"),
                    ),
                ),
                _managed("kubelet", since, tuple(f"status/{each}" for each in status)),
            ],
        },
        "spec": {
            "volumes": [
                {"name": "config", "configMap": {"name": app, "defaultMode": 420}},
                {"name": "kube-api-access-abcde", "projected": {"sources": [{"downwardAPI": {"items": []}}]}},
            ],
            "containers": [container],
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 30,
            "dnsPolicy": "ClusterFirst",
            "serviceAccountName": app,
            "nodeName": _node_name(node),
            "schedulerName": "default-scheduler",
            "tolerations": [
                {"key": f"node.kubernetes.io/{each}", "operator": "Exists", "effect": "NoExecute"}
                for each in ("not-ready", "unreachable")
            ],
            "enableServiceLinks": True,
        },
        "status": status,
    }


def _service(number: int) -> Object:
    app = f"service-{number}"
    address = _service_address(number)
    return {
        "metadata": {
            "name": app,
            "namespace": _namespace(number),
            "labels": {"app.kubernetes.io/name": app},
            "managedFields": [_managed("helm", 0, ("metadata/labels", "spec/ports", "spec/selector", "spec/type"))],
        },
        "spec": {
            "clusterIP": address,
            "clusterIPs": [address],
            "ipFamilies": ["IPv4"],
            "type": "ClusterIP",
            "ports": [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": "http"}],
            "selector": {"app.kubernetes.io/name": app},
        },
        "status": {"loadBalancer": {}},
    }


def _slice(number: int, behind: dict[str, str]) -> Object:
    app = f"service-{number}"
    return {
        "metadata": {
            "name": f"{app}-x7k2p",
            "namespace": _namespace(number),
            "labels": {
                "kubernetes.io/service-name": app,
                "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
            },
        },
        "addressType": "IPv4",
        "endpoints": [
            {
                "addresses": [address],
                "conditions": {"ready": True, "serving": True, "terminating": False},
                "targetRef": {"kind": "Pod", "name": name, "namespace": _namespace(number), "uid": _uid(name)},
            }
            for name, address in behind.items()
        ],
        "ports": [{"name": "http", "port": PORT, "protocol": "TCP"}],
    }


def _node_name(number: int) -> str:
    return f"node-{number}.example.internal"


def _node_address(number: int) -> str:
    return f"172.16.{number // 256}.{number % 256}"


def _node(number: int) -> Object:
    images = [
        {"names": [f"registry.example.com/shop/service-{i}:1.{i}.0"], "sizeBytes": 123_456_789} for i in range(50)
    ]
    return {
        "metadata": {"name": _node_name(number), "labels": {"kubernetes.io/os": "linux"}},
        "spec": {"podCIDR": f"10.200.{number % 256}.0/24", "podCIDRs": [f"10.200.{number % 256}.0/24"]},
        "status": {
            "addresses": [
                {"type": "InternalIP", "address": _node_address(number)},
                {"type": "Hostname", "address": _node_name(number)},
            ],
            "images": images,
        },
    }


# --- the process ------------------------------------------------------------------------------------------------------


def main() -> None:
    pods, services, nodes = (int(each) for each in sys.argv[1:4])
    home = Path(sys.argv[4])
    signer = authority(home, "ca")
    (home / "token").write_text(TOKEN, encoding="ascii")
    certificate, key = signer.issue("api-server")
    signer.cert.rename(home / "ca.crt")
    with ApiServer(certificate, key) as server:
        server.bookmark_seconds = 5
        server.tokens = {TOKEN}
        cluster = ImaginaryCluster(server, pods, services, nodes)
        print(json.dumps({"port": server.port, "account": str(home)}), flush=True)
        for line in sys.stdin:
            print(json.dumps(_obey(cluster, server, json.loads(line))), flush=True)


def _obey(cluster: ImaginaryCluster, server: ApiServer, command: Object) -> object:
    match command["do"]:
        case "churn":
            return cluster.churn(command["changes"], command["seconds"])
        case "tenures":
            return cluster.tenures(command["after"])
        case "drop":
            server.drop_watches()
        case "compact":
            server.version += 1  # beyond what the last bookmark said
            server.compact()
            server.drop_watches()
    return {path: {"lists": server.lists(path), "watches": server.watches(path)} for path in PATHS}


if __name__ == "__main__":
    main()
