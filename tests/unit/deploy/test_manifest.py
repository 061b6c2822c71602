"""deploy/kindling.yaml grants what the agent needs and nothing more; the cluster's own tools take it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

import apiserver
import kindling
from apiserver import ApiServer
from cluster_tools import kubectl, needs_kubectl
from kindling.config.sources import Sources

DEPLOY = Path(__file__).parents[3] / "deploy"
MANIFEST = DEPLOY / "kindling.yaml"
OBJECTS: list[dict[str, Any]] = [each for each in yaml.safe_load_all(MANIFEST.read_text(encoding="utf-8")) if each]
BY_KIND = {each["kind"]: each for each in OBJECTS}
POD: dict[str, Any] = BY_KIND["DaemonSet"]["spec"]["template"]["spec"]
AGENT: dict[str, Any] = POD["containers"][0]

#: What `kubectl apply` has to know the way to, beside what the agent itself asks for.
MORE_KINDS = {
    "/api/v1/serviceaccounts": ("v1", "ServiceAccount"),
    "/api/v1/configmaps": ("v1", "ConfigMap"),
    "/apis/apps/v1/daemonsets": ("apps/v1", "DaemonSet"),
    "/apis/networking.k8s.io/v1/networkpolicies": ("networking.k8s.io/v1", "NetworkPolicy"),
    "/apis/rbac.authorization.k8s.io/v1/clusterroles": ("rbac.authorization.k8s.io/v1", "ClusterRole"),
    "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings": ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"),
    "/apis/scheduling.k8s.io/v1/priorityclasses": ("scheduling.k8s.io/v1", "PriorityClass"),
}
WIDE = {path for path in MORE_KINDS if path.rpartition("/")[2].startswith(("clusterrole", "priorityclass"))}


def test_rights_are_exactly_what_is_watched() -> None:
    rules = [
        (group, resource, *rule["verbs"])
        for rule in BY_KIND["ClusterRole"]["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    ]
    watched = {path for path in apiserver.KINDS if not path.endswith("/namespaces")}
    paths = {f"/apis/{group}/v1/{resource}" if group else f"/api/v1/{resource}" for group, resource, *_ in rules}
    assert paths == watched
    assert {tuple(verbs) for _, _, *verbs in rules} == {("get", "list", "watch")}


def test_the_agent_is_not_privileged() -> None:
    context = AGENT["securityContext"]
    assert context["privileged"] is False
    assert context["allowPrivilegeEscalation"] is False
    assert context["readOnlyRootFilesystem"] is True
    assert context["capabilities"] == {
        "drop": ["ALL"],
        "add": ["BPF", "NET_ADMIN", "PERFMON", "SYS_ADMIN", "SYS_PTRACE", "SYS_RESOURCE"],
    }
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert POD["hostPID"] is True
    assert POD["hostNetwork"] is False


def test_what_only_prepares_has_no_capability() -> None:
    for container in POD["initContainers"]:
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_every_mount_has_a_volume_and_every_volume_a_mount() -> None:
    mounted = {mount["name"] for each in [*POD["initContainers"], AGENT] for mount in each["volumeMounts"]}
    assert mounted == {volume["name"] for volume in POD["volumes"]}


def test_directories_of_the_node() -> None:
    paths = [volume["hostPath"]["path"] for volume in POD["volumes"] if "hostPath" in volume]
    assert paths == ["/var/lib/kindling", "/run/kindling", "/sys/fs/bpf", "/sys/fs/cgroup"]


def test_the_settings_are_settings_and_ask_for_a_token(tmp_path: Path) -> None:
    file = tmp_path / "kindling.yaml"
    file.write_text(BY_KIND["ConfigMap"]["data"]["kindling.yaml"], encoding="utf-8")
    settings = Sources(file, {}).load().settings
    assert settings.server.asks
    assert not settings.server.no_auth
    assert settings.port == AGENT["ports"][0]["containerPort"]
    mounts = {mount["mountPath"] for mount in AGENT["volumeMounts"]}
    used = (settings.server.token_file.parent, settings.data, settings.persistence.state)
    assert {str(path) for path in used} <= mounts
    assert str(settings.persistence.pins.parent) in mounts


@pytest.mark.parametrize("given", ["", "a-token-of-the-secret\n"])
def test_the_token_is_the_secrets_or_a_new_one(given: str, tmp_path: Path) -> None:
    script = POD["initContainers"][0]["command"][2]
    secret, made = tmp_path / "secret", tmp_path / "made"
    secret.mkdir()
    made.mkdir()
    if given:
        (secret / "token").write_text(given, encoding="ascii")
    script = script.replace("/secret", str(secret)).replace("/run/kindling-token", str(made))
    tokens = []
    for _ in range(2):  # an init container may run again
        subprocess.run(["sh", "-ceu", script], check=True)
        tokens.append((made / "token").read_text(encoding="ascii"))
    assert tokens[0] == tokens[1]
    assert tokens[0] == given if given else len(tokens[0]) > 32
    if not given:
        assert (made / "token").stat().st_mode & 0o777 == 0o600


def test_versions_agree() -> None:
    chart = yaml.safe_load((DEPLOY / "helm/kindling/Chart.yaml").read_text(encoding="utf-8"))
    assert chart["appVersion"] == kindling.__version__
    assert AGENT["image"].endswith(f":{kindling.__version__}")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiServer]:
    monkeypatch.setattr(apiserver, "KINDS", apiserver.KINDS | MORE_KINDS)
    monkeypatch.setattr(apiserver, "CLUSTER_WIDE", apiserver.CLUSTER_WIDE | WIDE)
    with ApiServer() as made:
        yield made


def applied(manifest: Path, server: ApiServer, cache: Path) -> subprocess.CompletedProcess[str]:
    options = ("apply", "--dry-run=server", "--validate=strict", "-f", str(manifest))
    return kubectl("--server", f"http://127.0.0.1:{server.port}", *options, cache=cache)


@needs_kubectl
def test_kubectl_takes_it(server: ApiServer, tmp_path: Path) -> None:
    """The server looks at each object, unknown fields too, and keeps none."""
    done = applied(MANIFEST, server, tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == len(OBJECTS)
    assert all(line.endswith("created (server dry run)") for line in done.stdout.splitlines())


@needs_kubectl
def test_a_field_that_does_not_exist_would_be_seen(server: ApiServer, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(MANIFEST.read_text(encoding="utf-8").replace("hostPID: true", "hostPid: true"), encoding="utf-8")
    done = applied(wrong, server, tmp_path)
    assert done.returncode
    assert "hostPid" in done.stderr


@pytest.mark.parametrize("version", ["1.30", "1.31", "1.33", "1.35", "1.37"])
def test_it_is_valid_in(version: str) -> None:
    for each in OBJECTS:
        kubernetes_validate.validate(each, version, strict=True)
