"""Keeping up with an API server over a real connection."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from apiserver import ApiServer
from kindling.kubernetes.access import Access
from kindling.kubernetes.backoff import Backoff
from kindling.kubernetes.client import ApiError, Client
from kindling.kubernetes.cluster import Cluster
from kindling.kubernetes.objects import Pod
from kindling.kubernetes.reflect import Reflector, Resource

PODS = "/api/v1/pods"
MAKE_CERTIFICATE = (
    *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"),
    *("-subj", "/CN=kubernetes", "-addext", "subjectAltName=IP:127.0.0.1"),
)


def pod(name: str, ip: str = "10.0.0.1") -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"nodeName": "n1"},
        "status": {"phase": "Running", "podIP": ip},
    }


def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to be in time"
        time.sleep(0.01)


@contextmanager
def following(server: ApiServer, access: Access | None = None, **more: Any) -> Iterator[tuple[Reflector[Pod], Cluster]]:
    client = Client(access or Access("127.0.0.1", server.port, tls=False))
    reflector = Reflector(client, Resource("pods", PODS, Pod, more.pop("parameters", {})), chance=lambda: 0.01, **more)
    reflector._backoff = Backoff(lambda: -0.98)  # a hundredth of a second, not one
    cluster = Cluster([reflector])
    reflector.start()
    try:
        yield reflector, cluster
    finally:
        reflector.stop()
        server.drop_watches()
        reflector.stop(patience=5)


def names(cluster: Cluster) -> set[str]:
    cluster.refresh(time.time())
    return {pod.name for pod in cluster.pods._by_uid.values()}


@pytest.fixture
def server() -> Iterator[ApiServer]:
    with ApiServer() as made:
        yield made


def test_list_and_watch(server: ApiServer) -> None:
    server.put(PODS, pod("a"))
    with following(server) as (_, cluster):
        until(lambda: names(cluster) == {"a"})
        server.put(PODS, pod("b"))
        until(lambda: names(cluster) == {"a", "b"})
        server.delete(PODS, "a", "default")
        until(lambda: names(cluster) == {"b"})
    assert server.lists(PODS) == 1


def test_many_pages(server: ApiServer) -> None:
    for i in range(1203):
        server.put(PODS, pod(f"p{i}", f"10.0.{i // 250}.{i % 250}"))
    with following(server) as (_, cluster):
        until(lambda: len(names(cluster)) == 1203)
    pages = [asked.parameters for asked in server.asked if "watch" not in asked.parameters]
    assert [page["limit"] for page in pages] == ["500"] * 3


def test_pages_that_expire_come_in_one_piece(server: ApiServer) -> None:
    for i in range(700):
        server.put(PODS, pod(f"p{i}"))
    server.expire_pages = True
    with following(server) as (_, cluster):
        until(lambda: len(names(cluster)) == 700)


def test_a_dropped_watch_is_taken_up_without_a_new_list(server: ApiServer) -> None:
    server.put(PODS, pod("a"))
    with following(server) as (reflector, cluster):
        until(lambda: names(cluster) == {"a"})
        for round_ in range(3):
            until(lambda seen=round_: server.watches(PODS) > seen)  # type: ignore[misc]
            server.drop_watches()
            server.put(PODS, pod(f"b{round_}"))
            until(lambda seen=round_: f"b{seen}" in names(cluster))  # type: ignore[misc]
        assert reflector.health.lists == 1
    assert server.lists(PODS) == 1


def test_bookmarks_save_the_list_after_a_compaction(server: ApiServer) -> None:
    server.put(PODS, pod("a"))
    server.bookmark_seconds = 0.05
    with following(server) as (reflector, cluster):
        until(lambda: names(cluster) == {"a"})
        for _ in range(20):
            server.put("/api/v1/nodes", {"metadata": {"name": "n"}})  # versions go on, for others
        until(lambda: int(reflector._version) >= server.version)
        server.compact()
        server.drop_watches()
        server.put(PODS, pod("b"))
        until(lambda: names(cluster) == {"a", "b"})
        assert reflector.health.lists == 1


def test_gone_makes_a_new_list_and_forgets_what_is_not_in_it(server: ApiServer) -> None:
    server.put(PODS, pod("a"))
    server.put(PODS, pod("b"))
    server.bookmark_seconds = 60
    with following(server) as (reflector, cluster):
        until(lambda: names(cluster) == {"a", "b"})
        until(lambda: server.watches(PODS) == 1)
        server.refuse = 503
        server.drop_watches()
        server.delete(PODS, "b", "default")
        server.compact()
        until(lambda: reflector.health.failing_since)
        server.refuse = 0
        until(lambda: names(cluster) == {"a"})
        assert reflector.health.lists == 2
        assert not reflector.health.failing_since


def test_an_api_server_that_is_away_and_comes_back(server: ApiServer) -> None:
    server.put(PODS, pod("a"))
    with following(server) as (reflector, cluster):
        until(lambda: names(cluster) == {"a"})
        server.refuse = 500
        server.drop_watches()
        until(lambda: reflector.health.errors >= 3)
        assert names(cluster) == {"a"}, "names of what is known stay"
        assert reflector.health.problem == "told to"
        server.refuse = 0
        server.put(PODS, pod("b"))
        until(lambda: names(cluster) == {"a", "b"})


def test_events_that_are_odd_repeated_or_too_late(server: ApiServer) -> None:
    stored = server.put(PODS, pod("a"))
    with following(server) as (reflector, cluster):
        until(lambda: names(cluster) == {"a"})
        server.send(PODS, "DELETED", {"metadata": {"name": "never", "uid": "never", "resourceVersion": "1"}})
        server.send(PODS, "ADDED", {**stored, "metadata": {**stored["metadata"], "resourceVersion": "99999"}})
        server.send(PODS, "ADDED", {"metadata": "no object"})
        server.send(PODS, "ADDED", {**stored, "status": {"podIPs": 7}})
        server.put(PODS, pod("b"))
        until(lambda: "b" in names(cluster))
        assert reflector.health.undecodable == 2


def test_a_watch_that_says_nothing_is_given_up(server: ApiServer) -> None:
    server.bookmark_seconds = 60
    server.put(PODS, pod("a"))
    with following(server, silence=0.2) as (reflector, cluster):
        until(lambda: names(cluster) == {"a"})
        until(lambda: reflector.health.watches >= 2)
    assert server.lists(PODS) == 1


def test_only_the_pods_of_a_node(server: ApiServer) -> None:
    server.put(PODS, pod("here"))
    server.put(PODS, {**pod("there"), "spec": {"nodeName": "n2"}})
    with following(server, parameters={"fieldSelector": "spec.nodeName=n1"}) as (_, cluster):
        until(lambda: names(cluster) == {"here"})
        server.put(PODS, {**pod("there2"), "spec": {"nodeName": "n2"}})
        server.put(PODS, pod("here2"))
        until(lambda: names(cluster) == {"here", "here2"})


def test_a_token_that_is_rotated(server: ApiServer, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("one\n")
    server.tokens = {"one"}
    server.put(PODS, pod("a"))
    with following(server, Access("127.0.0.1", server.port, tls=False, token_file=token)) as (reflector, cluster):
        until(lambda: names(cluster) == {"a"})
        server.tokens = {"two"}
        server.drop_watches()
        until(lambda: reflector.health.problem == "Unauthorized")
        token.write_text("two")
        server.put(PODS, pod("b"))
        until(lambda: names(cluster) == {"a", "b"})
        assert reflector.health.lists == 1


def test_tls(tmp_path: Path) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        [*MAKE_CERTIFICATE, "-keyout", str(key), "-out", str(certificate)],
        check=True,
        capture_output=True,
    )
    with ApiServer(certificate, key) as server:
        server.put(PODS, pod("a"))
        with following(server, Access("127.0.0.1", server.port, ca_file=certificate)) as (_, cluster):
            until(lambda: names(cluster) == {"a"})
        stranger = Client(Access("127.0.0.1", server.port))
        with pytest.raises(ApiError, match="certificate"):
            stranger.get(PODS, {})


class Waits:
    """Sleeps that take no time. Hands out `stop` after `most` seconds of them."""

    def __init__(self, most: float) -> None:
        self.seconds: list[float] = []
        self._most = most

    def __call__(self, seconds: float) -> bool:
        self.seconds.append(seconds)
        return sum(self.seconds) >= self._most


def alone(server: ApiServer, waits: Waits) -> Reflector[Pod]:
    """Runs in the thread of the test, until the waits say stop."""
    client = Client(Access("127.0.0.1", server.port, tls=False))
    return Reflector(client, Resource("pods", PODS, Pod), wait=waits, clock=lambda: 1000 + sum(waits.seconds))


def test_an_hour_away(server: ApiServer) -> None:
    """Asked seldom; no list is repeated meanwhile; what is known stays. Back with its past gone: one list."""
    server.put(PODS, pod("a"))
    reflector = alone(server, Waits(3600))
    cluster = Cluster([reflector])
    reflector._list()
    server.refuse = 503
    reflector.run()
    assert names(cluster) == {"a"}
    assert 30 <= server.watches(PODS) <= 70
    assert server.lists(PODS) == 1
    assert reflector.health.failing_since <= 1001

    server.refuse = 0
    server.put(PODS, pod("b"))
    server.compact()
    server.watch_seconds = 0.1
    reflector._wait = Waits(200)  # 410, then a watch that ends
    reflector.run()
    assert names(cluster) == {"a", "b"}
    assert server.lists(PODS) == 2


def test_a_past_that_is_always_gone_is_no_storm(server: ApiServer) -> None:
    """As of a server whose list takes longer than it remembers."""
    server.always_gone = True
    waits = Waits(600)
    reflector = alone(server, waits)
    reflector.run()
    assert server.lists(PODS) == len(waits.seconds) <= 14
    assert waits.seconds[-1] >= 60
    assert not reflector.health.failing_since, "that is an answer"


def test_watches_that_end_at_once_are_no_storm(server: ApiServer) -> None:
    server.watch_seconds = 0
    waits = Waits(600)
    reflector = alone(server, waits)
    reflector.run()
    assert server.lists(PODS) == 1
    assert server.watches(PODS) == len(waits.seconds) <= 14
    assert reflector.health.problem == "a watch ended at once"


def test_no_more_is_read_than_is_taken(server: ApiServer) -> None:
    for i in range(3000):
        server.put(PODS, pod(f"p{i}", f"10.0.{i // 250}.{i % 250}"))
    with following(server) as (reflector, cluster):
        until(lambda: len(reflector.changes) == 2500)
        assert not reflector.health.synced
        until(lambda: len(names(cluster)) == 3000)
        until(lambda: cluster.synced)


def test_many_events_are_read_at_once(server: ApiServer) -> None:
    with following(server) as (reflector, cluster):
        until(lambda: server.watches(PODS) == 1)
        for i in range(500):
            server.put(PODS, pod(f"p{i}", f"10.0.{i // 250}.{i % 250}"))
        until(lambda: len(names(cluster)) == 500)
        assert reflector.health.events == 500


ODD = {
    "added twice": [("ADDED", "a"), ("ADDED", "a"), ("ADDED", "b")],
    "changed, and was never added": [("MODIFIED", "b"), ("ADDED", "a")],
    "ended, and was never there": [("DELETED", "x"), ("ADDED", "a"), ("ADDED", "b")],
    "ended twice": [("ADDED", "x"), ("DELETED", "x"), ("DELETED", "x"), ("ADDED", "a"), ("ADDED", "b")],
    "changed after its end": [("DELETED", "a"), ("MODIFIED", "a"), ("ADDED", "b")],
    "of a kind that nobody knows": [("RENAMED", "a"), ("ADDED", "b")],
}


@pytest.mark.parametrize("case", ODD)
def test_events_in_any_order(server: ApiServer, case: str) -> None:
    with following(server) as (reflector, cluster):
        until(lambda: server.watches(PODS) == 1)
        for number, (event, name) in enumerate(ODD[case]):
            version = {"uid": name, "resourceVersion": str(number + 1)}  # older than all that was told
            server.send(PODS, event, {**pod(name), "metadata": {**pod(name)["metadata"], **version}})
        until(lambda: names(cluster) == {"a", "b"})
        assert not reflector.health.errors


def test_a_server_that_nobody_is() -> None:
    with pytest.raises(ApiError, match="refused") as caught:
        Client(Access("127.0.0.1", 1, tls=False)).get(PODS, {})
    assert caught.value.code == 0


def test_waiting_grows_and_is_never_the_same_for_all() -> None:
    low, high = Backoff(lambda: 0.0), Backoff(lambda: 1.0)
    assert [low.failed() for _ in range(3)] == [0.5, 1.0, 2.0]
    assert [high.failed() for _ in range(9)][-1] == 120.0
    assert low.failed(at_least=30) == 30
    assert low.failed(at_least=1e9) == 120.0, "nobody waits for years"
    low.worked()
    assert low.failed() == 0.5
