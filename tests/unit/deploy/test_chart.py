"""The chart renders to deploy/kindling.yaml, and its values do what they say."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from cluster_tools import HELM, needs_helm

DEPLOY = Path(__file__).parents[3] / "deploy"
CHART = DEPLOY / "helm/kindling"
VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
MANIFEST = (DEPLOY / "kindling.yaml").read_text(encoding="utf-8")


def rendered(*values: str, version: str = "1.31.0") -> list[dict[str, Any]]:
    sets = [part for value in values for part in ("--set", value)]
    command = [HELM, "template", "kindling", str(CHART), "--namespace", "kindling", "--kube-version", version, *sets]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return [each for each in yaml.safe_load_all(done.stdout) if each]


def daemonset(*values: str, version: str = "1.31.0") -> dict[str, Any]:
    (found,) = [each for each in rendered(*values, version=version) if each["kind"] == "DaemonSet"]
    template: dict[str, Any] = found["spec"]["template"]
    return template


@needs_helm
def test_the_manifest_is_what_the_chart_renders_to(tmp_path: Path) -> None:
    new = tmp_path / "kindling.yaml"
    subprocess.run([DEPLOY / "render.sh", new], env={**os.environ, "HELM": HELM}, check=True, timeout=60)
    assert new.read_text(encoding="utf-8") == MANIFEST, "run deploy/render.sh"


@needs_helm
def test_lint() -> None:
    done = subprocess.run([HELM, "lint", "--strict", CHART], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout


@needs_helm
@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("seccomp.type=None", "seccomp.type"),
        ("kubernetes.mode=all", "kubernetes.mode"),
        ("imge.tag=1", "imge"),
        ("port=0", "port"),
        ("capabilities={NET_ADMIN,SYS_PTRACE}", "capabilities"),
    ],
)
def test_wrong_values_are_refused(value: str, said: str) -> None:
    with pytest.raises(subprocess.CalledProcessError) as error:
        rendered(value)
    assert said in error.value.stderr


@needs_helm
def test_a_profile_of_its_own_is_brought_to_the_node() -> None:
    objects = rendered("seccomp.type=Localhost")
    (settings,) = [each for each in objects if each["kind"] == "ConfigMap"]
    assert json.loads(settings["data"]["seccomp.json"]) == json.loads((DEPLOY / "seccomp.json").read_text())
    pod = daemonset("seccomp.type=Localhost")["spec"]
    assert pod["containers"][0]["securityContext"]["seccompProfile"] == {
        "type": "Localhost",
        "localhostProfile": "kindling.json",
    }
    assert pod["initContainers"][1]["command"][-1] == "/seccomp/kindling.json"


@needs_helm
@pytest.mark.parametrize(("mode", "resources"), [("node", ["pods"]), ("off", [])])
def test_less_rights_for_less_knowledge(mode: str, resources: list[str]) -> None:
    rules = [rule for each in rendered(f"kubernetes.mode={mode}") for rule in each.get("rules", ())]
    assert [resource for rule in rules for resource in rule["resources"]] == resources
    assert daemonset(f"kubernetes.mode={mode}")["spec"]["automountServiceAccountToken"] is (mode != "off")


@needs_helm
def test_monitors() -> None:
    objects = rendered("serviceMonitor.create=true", "podMonitor.create=true")
    assert {"ServiceMonitor", "PodMonitor"} < {each["kind"] for each in objects}


@needs_helm
def test_what_can_be_left_out() -> None:
    off = ("networkPolicy", "service", "priorityClass")
    kinds = {each["kind"] for each in rendered(*(f"{each}.create=false" for each in off))}
    assert kinds == {"ServiceAccount", "ConfigMap", "ClusterRole", "ClusterRoleBinding", "DaemonSet"}


@needs_helm
def test_older_clusters_are_told_of_apparmor_in_their_way() -> None:
    template = daemonset(version="1.29.0")
    assert template["metadata"]["annotations"]["container.apparmor.security.beta.kubernetes.io/agent"] == "unconfined"
    assert "appArmorProfile" not in template["spec"]["containers"][0]["securityContext"]


@needs_helm
@pytest.mark.parametrize("version", ["1.27.0", "1.29.0", "1.30.0", "1.34.0"])
def test_what_it_renders_to_is_valid(version: str) -> None:
    """With everything switched on, for each version its own schemas, unknown fields refused."""
    monitors = ("ServiceMonitor", "PodMonitor")  # of the Prometheus operator: no schemas of Kubernetes'
    on = [f"{name}.create=true" for name in ("namespace", "serviceMonitor", "podMonitor")]
    for each in rendered(*on, "seccomp.type=Localhost", version=version):
        if each["kind"] not in monitors:
            kubernetes_validate.validate(each, version, strict=True)


def test_values_and_schema_name_the_same() -> None:
    assert set(SCHEMA["properties"]) - {"global"} == set(VALUES)
    for name, schema in SCHEMA["properties"].items():
        if "properties" in schema and name in VALUES:
            assert set(schema["properties"]) == set(VALUES[name]), name


def test_every_value_stands_in_the_manifest() -> None:
    """What can be told without helm."""
    objects = [each for each in yaml.safe_load_all(MANIFEST) if each]
    by_kind = {each["kind"]: each for each in objects}
    pod = by_kind["DaemonSet"]["spec"]["template"]["spec"]
    agent = pod["containers"][0]
    assert yaml.safe_load(by_kind["ConfigMap"]["data"]["kindling.yaml"]) == VALUES["config"]
    assert agent["securityContext"]["capabilities"]["add"] == VALUES["capabilities"]
    assert agent["resources"] == VALUES["resources"]
    assert pod["tolerations"] == VALUES["tolerations"]
    assert {volume["hostPath"]["path"] for volume in pod["volumes"] if "hostPath" in volume} == set(
        VALUES["paths"].values()
    )
    assert by_kind["PriorityClass"]["value"] == VALUES["priorityClass"]["value"]
