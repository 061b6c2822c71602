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

pytestmark = [pytest.mark.root, pytest.mark.live]

REPO = Path(__file__).parents[2]
OBJECTS = {each["kind"]: each for each in yaml.safe_load_all((REPO / "deploy/kindling.yaml").read_text()) if each}
POD: dict[str, Any] = OBJECTS["DaemonSet"]["spec"]["template"]["spec"]
AGENT: dict[str, Any] = POD["containers"][0]
CONTEXT: dict[str, Any] = AGENT["securityContext"]
TOKEN = "a-token-of-the-secret"
PORT = 9500
UID = "8f2c6a1e-1111-2222-3333-444455556666"

#: $1 root, $2 scratch, $3 pins; what comes after is the command.
POD_SCRIPT = """
root=$1 scratch=$2 pins=$3; shift 3
hostname kindling-x7k2p
ip link set lo up
mount --rbind / "$root"
mount --make-rprivate "$root"
mount -o remount,bind,ro "$root"
mount -t proc proc "$root/proc"
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
def running(scratch: Path, *, without: str = "") -> Iterator[Pod]:
    for name in ("root", "bpf", "cgroup", "state", "data", "token", "etc"):
        (scratch / name).mkdir()
    (scratch / "token/token").write_text(TOKEN, encoding="ascii")
    (scratch / "etc/kindling.yaml").write_text(OBJECTS["ConfigMap"]["data"]["kindling.yaml"], encoding="utf-8")
    pins = f"/sys/fs/bpf/kindling-{scratch.name}"
    added = ",".join(f"+{name.lower()}" for name in CONTEXT["capabilities"]["add"] if name != without)
    command = [
        *("unshare", "--mount", "--net", "--uts", "--cgroup", "--propagation", "private"),
        *("sh", "-ceu", POD_SCRIPT, "pod", str(scratch / "root"), str(scratch), pins),
        *("setpriv", f"--reuid={CONTEXT['runAsUser']}", f"--regid={CONTEXT['runAsGroup']}", "--clear-groups"),
        *(f"--bounding-set=-all,{added}", "--inh-caps=-all", "--no-new-privs"),
        *(sys.executable, "-m", "live.confined", str(REPO / "deploy/seccomp.json")),
        *(sys.executable, "-m", "kindling.cli", "agent", "--quiet", "--config", "/run/etc/kindling.yaml"),
    ]
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{REPO / 'src'}:{REPO / 'tests'}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "KINDLING_DATA": "/run/data",
        "KINDLING_PERSISTENCE_PINS": pins,
    }
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


def _client(unified: Path, request: pytest.FixtureRequest) -> list[str]:
    """A client in a cgroup that is named as kubelet and containerd name them."""
    slice_ = unified / "kubepods.slice" / f"kubepods-pod{UID.replace('-', '_')}.slice"
    group = slice_ / f"cri-containerd-{'ab' * 32}.scope"
    group.mkdir(parents=True, exist_ok=True)
    request.addfinalizer(group.rmdir)
    return ["sh", "-c", f"echo $$ > {group}/cgroup.procs; exec curl -s --retry 9 --retry-connrefused {{}}"]


def test_without_the_right_to_mount(tmp_path: Path) -> None:
    """What the page says may be left out on a node that has everything mounted."""
    with running(tmp_path, without="SYS_ADMIN") as pod:
        assert json.loads(pod.get("/api/v1/flows", TOKEN))["table"] == "flows"


def test_the_agent_in_its_pod(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    unified = Path("/sys/fs/cgroup/unified")
    unified = unified if unified.exists() else Path("/sys/fs/cgroup")
    with running(tmp_path) as pod:
        assert int(pod.status("CapEff"), 16) == int(pod.status("CapPrm"), 16) == 1 << 39 | 1 << 19
        assert pod.status("NoNewPrivs") == "1"
        assert pod.status("Seccomp") == "2"
        assert "kindling_" in pod.get("/metrics")
        with pytest.raises(OSError, match="401"):
            pod.get("/api/v1/flows")
        server = subprocess.Popen(
            [sys.executable, "-m", "http.server", "18231", "--bind", "127.0.0.1", "--directory", str(tmp_path / "etc")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            command = [part.format("http://127.0.0.1:18231/") for part in _client(unified, request)]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=30)
            rows: list[dict[str, Any]] = []
            end = time.monotonic() + 10
            while not rows and time.monotonic() < end:
                time.sleep(0.5)
                answer = json.loads(pod.get("/api/v1/flows?port=18231", TOKEN))
                rows = [row for row in answer["rows"] if row["role"] == "client"]
        finally:
            server.terminate()
            server.wait()
        assert rows[0]["comm"] == "curl"
        assert rows[0]["container_id"] == "ab" * 6
