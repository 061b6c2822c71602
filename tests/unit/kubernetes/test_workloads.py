from __future__ import annotations

import pytest

from kindling.kubernetes.objects import Metadata, decode
from kindling.kubernetes.workloads import controller_of


def metadata(text: str) -> Metadata:
    found: Metadata = decode(text.encode(), Metadata)
    return found


def owned(kind: str, name: str) -> str:
    return f'"ownerReferences":[{{"kind":"Other","name":"o"}},{{"kind":"{kind}","name":"{name}","controller":true}}]'


HASH = '"labels":{"pod-template-hash":"5d4f8c7b9"}'
ROLLOUT = '"labels":{"rollouts-pod-template-hash":"abc","pod-template-hash":"zz"}'
STATIC = '"annotations":{"kubernetes.io/config.mirror":"1f"}'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{HASH},{owned('ReplicaSet', 'web-5d4f8c7b9')}", ("deployment", "web")),
        (f"{ROLLOUT},{owned('ReplicaSet', 'r-abc')}", ("rollout", "r")),
        (owned("ReplicaSet", "own"), ("replicaset", "own")),
        (owned("Job", "backup-28391020"), ("cronjob", "backup")),
        (owned("Job", "migrate-2024"), ("job", "migrate-2024")),
        (owned("StatefulSet", "db"), ("statefulset", "db")),
        (owned("DaemonSet", "cni"), ("daemonset", "cni")),
        (owned("SparkApplication", "s"), ("sparkapplication", "s")),
        (f"{STATIC},{owned('Node', 'node7')}", ("pod", "proxy")),
        (owned("Node", "node7"), ("pod", "proxy")),
        ('"ownerReferences":null,"labels":null', ("pod", "proxy-node7")),
    ],
)
def test_controller(text: str, expected: tuple[str, str]) -> None:
    assert controller_of(metadata(f'{{"name":"proxy-node7",{text}}}'), "node7") == expected
