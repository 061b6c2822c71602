"""A real agent on a node whose API server the test plays: pods are cgroups named as kubelet names them."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from apiserver import ApiServer
from e2e.conftest import Agent, start_agent, web_server
from kindling.cli.client import fetch
from live.cgroups import cgroup, container_path, pod_path

pytestmark = [pytest.mark.root, pytest.mark.e2e]

NODE = "worker-1"
PODS = "/api/v1/pods"

Clients = dict[tuple[str, ...], int]
"""Connections by namespace, kind, name, pod and container of who opened them."""

SERVER = """
import http.server
server = http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
print(server.server_port, flush=True)
server.serve_forever()
"""


class Pod:
    """A pod with one container. It exists as a cgroup, and for the API server once it is told of."""

    def __init__(self, name: str, **metadata: Any) -> None:
        self.name = name
        self.uid = str(uuid.uuid4())
        self.container = uuid.uuid4().hex * 2
        self.metadata = metadata

    def put(self, server: ApiServer, *, container: bool = True) -> None:
        """`container`: kubelet has told of the container, too."""
        statuses = [{"name": "app", "containerID": f"containerd://{self.container}"}] if container else []
        server.put(
            PODS,
            {
                "metadata": {"name": self.name, "namespace": "shop", "uid": self.uid, **self.metadata},
                "spec": {"nodeName": NODE, "hostNetwork": True},
                "status": {"phase": "Running", "hostIP": "127.0.0.1", "containerStatuses": statuses},
            },
        )

    @contextmanager
    def cgroup(self) -> Iterator[Path]:
        with cgroup(container_path(pod_path(self.uid, "systemd", "burstable"), self.container, "systemd")) as folder:
            yield folder


def of_deployment(name: str) -> dict[str, Any]:
    owner = {"kind": "ReplicaSet", "name": f"{name}-abc", "controller": True}
    return {"labels": {"pod-template-hash": "abc"}, "ownerReferences": [owner]}


def kubeconfig(folder: Path, port: int) -> Path:
    path = folder / "kubeconfig"
    document = {
        "current-context": "test",
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "agent"}}],
        "clusters": [{"name": "test", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "agent", "user": {"token": "secret"}}],
    }
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


@contextmanager
def agent_of(folder: Path, port: int, mode: str = "cluster", more: str = "") -> Iterator[Agent]:
    settings = folder / "kindling.yaml"
    settings.write_text(
        f"interval: 0.2\nkubernetes:\n  mode: {mode}\n  node: {NODE}\n  kubeconfig: {kubeconfig(folder, port)}\n{more}",
        encoding="utf-8",
    )
    with start_agent(folder / "data", "--config", str(settings)) as running:
        yield running


@pytest.fixture
def server() -> Iterator[ApiServer]:
    with ApiServer() as running:
        running.tokens = {"secret"}
        yield running


def curl(pod: Path, port: int, times: int = 1) -> None:
    """Ends long before anybody could look it up."""
    urls = [f"http://127.0.0.1:{port}/"] * times
    command = f'echo $$ > {pod}/cgroup.procs; exec curl --silent --noproxy "*" --output /dev/null {" ".join(urls)}'
    subprocess.run(["sh", "-c", command], check=True, timeout=20, stdout=subprocess.DEVNULL)


def clients(rows: list[dict[str, Any]], port: int) -> Clients:
    found = [
        (
            tuple(row[key] for key in ("namespace", "workload_kind", "workload", "pod", "container")),
            row["opened"],
        )
        for row in rows
        if row["port"] == port and row["role"] == "client"
    ]
    assert len(dict(found)) == len(found)
    return dict(found)


def wait_for_clients(agent: Agent, port: int, wanted: Clients) -> None:
    rows = agent.wait_for("flows", lambda rows: clients(rows, port) == wanted)
    assert clients(rows, port) == wanted


def metrics(agent: Agent) -> str:
    with urllib.request.urlopen(f"{agent.url}/metrics", timeout=10) as answer:
        text: str = answer.read().decode()
        return text


def gauge(agent: Agent, name: str) -> float:
    lines = [line for line in metrics(agent).splitlines() if line.startswith(f"{name}")]
    return float(lines[0].rpartition(" ")[2])


@pytest.mark.parametrize("mode", ["cluster", "node"])
def test_pods_are_named_after_what_controls_them(server: ApiServer, tmp_path: Path, mode: str) -> None:
    """Two of them on the node's own network."""
    web, job = Pod("web-abc-1", **of_deployment("web")), Pod("once")
    web.put(server)
    job.put(server)
    with (
        agent_of(tmp_path, server.port, mode) as agent,
        web_server(tmp_path) as port,
        web.cgroup() as one,
        job.cgroup() as two,
    ):
        curl(one, port)
        curl(two, port)
        wanted: Clients = {
            ("shop", "deployment", "web", "web-abc-1", "app"): 1,
            ("shop", "pod", "once", "once", "app"): 1,
        }
        wait_for_clients(agent, port, wanted)
        series = [line for line in metrics(agent).splitlines() if 'workload_name="web"' in line]
    assert any('namespace="shop"' in line and 'workload_kind="deployment"' in line for line in series)
    watched = {asked.path for asked in server.asked}
    assert (watched == {PODS}) == (mode == "node")


def test_a_pod_that_lived_shorter_than_it_took_to_tell_of_it(server: ApiServer, tmp_path: Path) -> None:
    """Its container never was in the status that was told before its end."""
    pod = Pod("import-28000000-x", ownerReferences=[{"kind": "Job", "name": "import-28000000", "controller": True}])
    with agent_of(tmp_path, server.port) as agent, web_server(tmp_path) as port:
        with pod.cgroup() as folder:
            curl(folder, port, 3)
            agent.wait_for("flows", lambda rows: any(row["role"] == "server" and row["port"] == port for row in rows))
        assert clients(agent.rows("flows"), port) == {}
        pod.put(server, container=False)
        pod.put(server)
        server.delete(PODS, pod.name, "shop")
        wait_for_clients(agent, port, {("shop", "cronjob", "import", pod.name, "app"): 1})


def test_the_api_server_goes_and_comes_back(tmp_path: Path) -> None:
    web, late = Pod("web-abc-1", **of_deployment("web")), Pod("late")
    with ApiServer() as first:
        port_of_api = first.port
        web.put(first)
        with (
            agent_of(tmp_path, port_of_api) as agent,
            web_server(tmp_path) as port,
            web.cgroup() as one,
            late.cgroup() as two,
        ):
            curl(one, port)
            named = ("shop", "deployment", "web", "web-abc-1", "app")
            wait_for_clients(agent, port, {named: 1})
            assert gauge(agent, "kindling_kubernetes_synced") == 1
            first.refuse = 503
            first.drop_watches()
            agent.wait_for("flows", lambda _: gauge(agent, "kindling_kubernetes_failing_seconds") > 0)
            curl(one, port)
            curl(two, port)
            unnamed = ("", "container", late.container[:12], "", late.container[:12])
            wait_for_clients(agent, port, {named: 2, unnamed: 1})
            late.put(first)
            first.refuse = 0
            agent.wait_for("flows", lambda _: gauge(agent, "kindling_kubernetes_failing_seconds") == 0)
            curl(two, port)
            wait_for_clients(agent, port, {named: 2, unnamed: 1, ("shop", "pod", "late", "late", "app"): 1})


def test_no_api_server_at_all(tmp_path: Path) -> None:
    """Data goes on, with the names that the node itself knows."""
    pod = Pod("web")
    with agent_of(tmp_path, 1) as agent, web_server(tmp_path) as port, pod.cgroup() as folder:
        curl(folder, port)
        wait_for_clients(agent, port, {("", "container", pod.container[:12], "", pod.container[:12]): 1})
        assert gauge(agent, "kindling_kubernetes_synced") == 0
        assert gauge(agent, "kindling_kubernetes_failing_seconds") > 0


def test_names_outlive_the_agent_while_nobody_can_be_asked(server: ApiServer, tmp_path: Path) -> None:
    web = Pod("web-abc-1", **of_deployment("web"))
    web.put(server)
    named = ("shop", "deployment", "web", "web-abc-1", "app")
    with web_server(tmp_path) as port, web.cgroup() as folder:
        with agent_of(tmp_path, server.port) as agent:
            curl(folder, port)
            wait_for_clients(agent, port, {named: 1})
        server.refuse = 503
        with agent_of(tmp_path, server.port) as agent:
            curl(folder, port)
            wait_for_clients(agent, port, {named: 2})


def test_what_was_open_before_the_agent(server: ApiServer, tmp_path: Path) -> None:
    """As on every node: pods are there first."""
    pod = Pod("stock-0", ownerReferences=[{"kind": "StatefulSet", "name": "stock", "controller": True}])
    pod.put(server)
    with pod.cgroup() as folder, served_in(folder, tmp_path) as port, agent_of(tmp_path, server.port) as agent:
        curl(folder, port)

        def servers(rows: list[dict[str, Any]]) -> set[tuple[str, str]]:
            return {
                (row["workload_kind"], row["workload"])
                for row in rows
                if row["port"] == port and row["role"] == "server"
            }

        rows = agent.wait_for("flows", lambda rows: bool(servers(rows)))
    assert servers(rows) == {("statefulset", "stock")}


def test_excluded_by_setting_and_annotation(server: ApiServer, tmp_path: Path) -> None:
    """Also by other settings, while it runs."""
    shown, shy = Pod("web"), Pod("shy", annotations={"kindling.io/observe": "false"})
    shown.put(server)
    shy.put(server)
    with (
        agent_of(tmp_path, server.port) as agent,
        web_server(tmp_path) as port,
        shown.cgroup() as one,
        shy.cgroup() as two,
    ):
        curl(one, port)
        curl(two, port)
        wait_for_clients(agent, port, {("shop", "pod", "web", "web", "app"): 1})
        status = fetch(agent.url, "/api/v1/status")["stats"]
        assert status["excluded_flows"] >= 1
        settings = tmp_path / "kindling.yaml"
        before = settings.read_text(encoding="utf-8")
        settings.write_text(f"{before}  exclude:\n    pods: [shop/w*]\n", encoding="utf-8")
        agent.process.send_signal(1)
        wait_for_clients(agent, port, {})
        settings.write_text(before, encoding="utf-8")
        agent.process.send_signal(1)
        wait_for_clients(agent, port, {("shop", "pod", "web", "web", "app"): 1})


@contextmanager
def served_in(folder: Path, site: Path) -> Iterator[int]:
    """A web server within a pod, which has opened its socket when this gives its port."""
    command = f'echo $$ > {folder}/cgroup.procs; exec "$0" -c "$1"'
    with subprocess.Popen(
        ["sh", "-c", command, sys.executable, SERVER],
        cwd=site,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout
        try:
            yield int(process.stdout.readline())
        finally:
            process.terminate()
