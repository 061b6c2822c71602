"""The agent with what deploy/kindling.yaml gives it: its capabilities, user, mounts, settings and a read-only root.

Namespaces are those of a pod (mounts, network, cgroup, names), process numbers the host's. The runtime's own seccomp
profile is not here; the narrower one that is shipped takes its place.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

import certificates
from live.cgroups import cgroup, container_path, pod_path

pytestmark = [pytest.mark.root, pytest.mark.live]

REPO = Path(__file__).parents[2]
OBJECTS = {each["kind"]: each for each in yaml.safe_load_all((REPO / "deploy/kindling.yaml").read_text()) if each}
POD: dict[str, Any] = OBJECTS["DaemonSet"]["spec"]["template"]["spec"]
AGENT: dict[str, Any] = POD["containers"][0]
CONTEXT: dict[str, Any] = AGENT["securityContext"]
TOKEN = "a-token-of-the-secret"
PORT = 9500
NODE = "worker-1"
API_PORT = 6443
HYBRID = Path("/sys/fs/cgroup/unified")
"""Where hosts with cgroup v1 have cgroup v2 too."""
ACCOUNT_TOKEN = "a-token-of-the-service-account"
UID = "8f2c6a1e-1111-2222-3333-444455556666"

#: $1 root, $2 scratch, $3 a process that passes for the node's first one (where this runs, that may be nobody's to look
#: at), $4 a mount that is not there; what comes after is the command.
POD_SCRIPT = """
root=$1 scratch=$2 init=$3 gone=$4; shift 4
[ -z "$gone" ] || umount "$gone"
hostname kindling-x7k2p
ip link set lo up
mount --rbind / "$root"
mount --make-rprivate "$root"
mount -o remount,bind,ro "$root"
mount -t proc proc "$root/proc"
mount --bind "/proc/$init" "$root/proc/1"
mount --bind /sys/fs/bpf "$scratch/bpf"
mount --rbind /sys/fs/cgroup "$scratch/cgroup"
mount -t sysfs -o ro sysfs "$root/sys"
mount --bind "$scratch/bpf" "$root/sys/fs/bpf"
mount --rbind "$scratch/cgroup" "$root/sys/fs/cgroup"
mount -o remount,bind,ro "$root/sys/fs/cgroup"
mount -t tmpfs tmpfs "$root/run"
mkdir "$root/run/kindling" "$root/run/kindling-token" "$root/run/data" "$root/run/etc"
mount --bind "$scratch/state" "$root/run/kindling"
mount --bind "$scratch/data" "$root/run/data"
mount --bind -o ro "$scratch/token" "$root/run/kindling-token"
mount --bind -o ro "$scratch/etc" "$root/run/etc"
mkdir -p "$root/run/secrets/kubernetes.io/serviceaccount"
mount --bind -o ro "$scratch/account" "$root/run/secrets/kubernetes.io/serviceaccount"
cd /
exec chroot "$root" "$@"
"""


@dataclass
class Pod:
    process: subprocess.Popen[str]

    def get(self, path: str, token: str = "") -> str:
        """Asked from within its network namespace."""
        headers = ["-H", f"Authorization: Bearer {token}"] if token else []
        url = f"http://127.0.0.1:{PORT}{path}"
        command = ["nsenter", f"--net=/proc/{self.process.pid}/ns/net", "curl", "-sS", "-f", *headers, url]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        if done.returncode:
            raise OSError(done.stderr)
        return done.stdout

    def status(self, name: str) -> str:
        text = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return next(line.split(":")[1].strip() for line in text.splitlines() if line.startswith(f"{name}:"))


@contextmanager
def running(scratch: Path, *, without: str = "", init: int = 0, gone: str = "") -> Iterator[Pod]:
    """`gone`: a mount that neither the pod nor the node's process `init` has; the runtime's profile would let the agent
    make up for it, the narrower one that is shipped does not, so there is none.
    """
    for name in ("root", "bpf", "cgroup", "state", "data", "token", "etc", "account"):
        (scratch / name).mkdir()
    (scratch / "token/token").write_text(TOKEN, encoding="ascii")
    (scratch / "etc/kindling.yaml").write_text(OBJECTS["ConfigMap"]["data"]["kindling.yaml"], encoding="utf-8")
    pins = f"/sys/fs/bpf/kindling-{scratch.name}"
    added = ",".join(f"+{name.lower()}" for name in CONTEXT["capabilities"]["add"] if name != without)
    command = [
        *("unshare", "--mount", "--net", "--uts", "--cgroup", "--propagation", "private"),
        *("sh", "-ceu", POD_SCRIPT, "pod", str(scratch / "root"), str(scratch), str(init or os.getpid()), gone),
        *("setpriv", f"--reuid={CONTEXT['runAsUser']}", f"--regid={CONTEXT['runAsGroup']}", "--clear-groups"),
        *(f"--bounding-set=-all,{added}", "--inh-caps=-all", "--no-new-privs"),
        *(() if gone else (sys.executable, "-m", "live.confined", str(REPO / "deploy/seccomp.json"))),
        *(sys.executable, "-m", "kindling.cli", "agent", "--quiet", "--config", "/run/etc/kindling.yaml"),
    ]
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{REPO / 'src'}:{REPO / 'tests'}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "KINDLING_DATA": "/run/data",
        "KINDLING_PERSISTENCE_PINS": pins,
        **{each["name"]: each["value"] for each in AGENT["env"] if each["name"] == "KINDLING_KUBERNETES_MODE"},
        "KINDLING_KUBERNETES_NODE": NODE,
        "KUBERNETES_SERVICE_HOST": "127.0.0.1",
        "KUBERNETES_SERVICE_PORT": str(API_PORT),
    }
    authority = certificates.authority(scratch / "pki")
    (scratch / "account/ca.crt").write_bytes(authority.cert.read_bytes())
    (scratch / "account/token").write_text(ACCOUNT_TOKEN, encoding="ascii")
    with (scratch / "said").open("w+", encoding="utf-8") as said:
        process = subprocess.Popen(command, env=environment, stderr=said, stdout=said, text=True)
        pod = Pod(process)
        try:
            _wait(pod, scratch)
            yield pod
            process.terminate()
            assert process.wait(20) == 0, (scratch / "said").read_text(encoding="utf-8")
            assert not Path(pins).exists() or not list(Path(pins).iterdir())
        finally:
            process.kill()
            process.wait()
            if Path(pins).exists():
                Path(pins).rmdir()


def _wait(pod: Pod, scratch: Path) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            pod.get("/healthz")
            return
        except OSError:
            assert pod.process.poll() is None, (scratch / "said").read_text(encoding="utf-8")
            time.sleep(0.2)
    raise AssertionError((scratch / "said").read_text(encoding="utf-8"))


#: As kubelet and containerd name it.
GROUP = container_path(pod_path(UID, "systemd", ""), "ab" * 32, "systemd")


def call(group: Path, url: str) -> None:
    """From a cgroup."""
    command = f"echo $$ > {group}/cgroup.procs; exec curl -s --retry 9 --retry-connrefused {url}"
    subprocess.run(["sh", "-c", command], check=True, stdout=subprocess.DEVNULL, timeout=30)


@contextmanager
def web_server(folder: Path, port: int) -> Iterator[None]:
    """Of files, on the host's loopback."""
    command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(folder)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        server.terminate()
        server.wait()


def test_without_the_right_to_mount(tmp_path: Path) -> None:
    """What the page says may be left out on a node that has everything mounted."""
    with running(tmp_path, without="SYS_ADMIN") as pod:
        assert json.loads(pod.get("/api/v1/flows", TOKEN))["table"] == "flows"


def test_the_agent_in_its_pod(tmp_path: Path) -> None:
    with running(tmp_path) as pod:
        assert int(pod.status("CapEff"), 16) == int(pod.status("CapPrm"), 16) == 1 << 39 | 1 << 19
        assert pod.status("NoNewPrivs") == "1"
        assert pod.status("Seccomp") == "2"
        assert "kindling_" in pod.get("/metrics")
        assert "cannot" not in (tmp_path / "said").read_text(encoding="utf-8").replace("cannot ask the API server", "")
        with pytest.raises(OSError, match="401"):
            pod.get("/api/v1/flows")
        with web_server(tmp_path / "etc", 18231), cgroup(GROUP) as group:
            call(group, "http://127.0.0.1:18231/")
            rows: list[dict[str, Any]] = []
            end = time.monotonic() + 10
            while not rows and time.monotonic() < end:
                time.sleep(0.5)
                answer = json.loads(pod.get("/api/v1/flows?port=18231", TOKEN))
                rows = [row for row in answer["rows"] if row["role"] == "client"]
        assert rows[0]["comm"] == "curl"
        assert rows[0]["container_id"] == "ab" * 6


def test_a_node_that_has_no_cgroup2_mounted(tmp_path: Path) -> None:
    """The agent mounts it for itself, as the node's first process would see it."""
    if not HYBRID.exists():
        pytest.skip("this host has nothing but cgroup v2")
    bare = (
        "unshare",
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-c",
        f"umount {HYBRID} && echo gone && exec sleep 60",
    )
    with subprocess.Popen(bare, stdout=subprocess.PIPE, text=True) as node:
        try:
            assert node.stdout
            assert node.stdout.readline() == "gone\n"
            with running(tmp_path, init=node.pid, gone=str(HYBRID)) as pod, web_server(tmp_path / "etc", 18233):
                subprocess.run(
                    ["curl", "-s", "--retry", "9", "--retry-connrefused", "http://127.0.0.1:18233/"], check=True
                )
                end = time.monotonic() + 10
                while not json.loads(pod.get("/api/v1/flows?port=18233", TOKEN))["rows"]:
                    assert time.monotonic() < end, "a client outside the pod is not seen"
                    time.sleep(0.5)
        finally:
            node.kill()


@contextmanager
def api_server(pod: Pod, scratch: Path) -> Iterator[list[list[Any]]]:
    """Beside the agent, in its network namespace. What it was asked is known when the block is left."""
    (scratch / "objects").write_text(json.dumps({"/api/v1/pods": [POD_OF_THE_CLIENT]}), encoding="utf-8")
    signer = certificates.Authority(scratch / "pki", scratch / "pki/authority.pem", scratch / "pki/authority.key")
    paths = [str(path) for path in signer.issue("api-server")]
    command = [
        *("nsenter", f"--net=/proc/{pod.process.pid}/ns/net"),
        *(sys.executable, "-m", "live.pod_api", *paths, str(API_PORT), ACCOUNT_TOKEN, str(scratch / "objects")),
    ]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{REPO / 'src'}:{REPO / 'tests'}"}
    asked: list[list[Any]] = []
    process = subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=scratch
    )
    try:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        yield asked
        asked += json.loads(process.communicate(timeout=20)[0])
    finally:
        process.kill()
        process.wait()


POD_OF_THE_CLIENT = {
    "metadata": {
        "name": "web-5d9-x2x",
        "namespace": "shop",
        "uid": UID,
        "labels": {"pod-template-hash": "5d9"},
        "ownerReferences": [{"kind": "ReplicaSet", "name": "web-5d9", "controller": True}],
    },
    "spec": {"nodeName": NODE, "hostNetwork": True},
    "status": {"phase": "Running", "containerStatuses": [{"name": "app", "containerID": f"containerd://{'ab' * 32}"}]},
}


def test_the_agent_asks_what_its_role_allows(tmp_path: Path) -> None:
    """It starts without an API server, finds it later, and asks for exactly what the role names, with its account."""
    rules = [
        f"/apis/{group}/v1/{resource}" if group else f"/api/v1/{resource}"
        for rule in OBJECTS["ClusterRole"]["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    ]
    with (
        running(tmp_path) as pod,
        api_server(pod, tmp_path) as asked,
        web_server(tmp_path / "etc", 18232),
        cgroup(GROUP) as group,
    ):
        call(group, "http://127.0.0.1:18232/")
        found: dict[str, Any] = {}
        end = time.monotonic() + 30
        while found.get("workload") != "web" and time.monotonic() < end:
            time.sleep(0.5)
            rows = json.loads(pod.get("/api/v1/flows?port=18232", TOKEN))["rows"]
            found = next((row for row in rows if row["role"] == "client"), {})
    assert [found[key] for key in ("namespace", "workload_kind", "workload", "pod")] == [
        "shop",
        "deployment",
        "web",
        "web-5d9-x2x",
    ]
    assert {path for path, _, _ in asked} == set(rules)
    assert {(path, watch) for path, watch, _ in asked} == {(path, watch) for path in rules for watch in (False, True)}
    assert {authorization for *_, authorization in asked} == {f"Bearer {ACCOUNT_TOKEN}"}
