from __future__ import annotations

from pathlib import Path

import pytest

from kindling.config import Kubernetes, Selection
from kindling.config.schema import leaves
from kindling.config.settings import Settings
from kindling.config.sources import Sources
from kindling.errors import SettingError


@pytest.mark.parametrize("name", ["", "worker-1", "ip-10-0-0-1.eu-west-1.compute.internal", "n"])
def test_names_of_nodes(name: str) -> None:
    assert Kubernetes(node=name).node == name


@pytest.mark.parametrize("name", ["Worker", "-a", "a-", "a b", "a\n", 'a"', "a" * 254])
def test_what_is_no_name_of_a_node(name: str) -> None:
    with pytest.raises(SettingError, match="not the name of a node"):
        Kubernetes(node=name)


def test_a_node_that_watches_its_own_pods_has_a_name() -> None:
    with pytest.raises(SettingError, match="which one is not said"):
        Kubernetes(mode="node")
    assert Kubernetes(mode="node", node="worker-1").node == "worker-1"


def test_a_context_is_one_of_a_file() -> None:
    with pytest.raises(SettingError, match="without its kubeconfig"):
        Kubernetes(context="kind")
    assert Kubernetes(context="kind", kubeconfig=Path("config")).context == "kind"


def test_all_of_it_by_environment() -> None:
    variables = {
        "KINDLING_KUBERNETES_MODE": "off",
        "KINDLING_KUBERNETES_NODE": "worker-1",
        "KINDLING_KUBERNETES_INCLUDE_NAMESPACES": "shop, team-*",
        "KINDLING_KUBERNETES_EXCLUDE_PODS": "*/debug",
        "KINDLING_KUBERNETES_EXCLUDE_PORTS": "9100, 22",
    }
    found = Sources(None, {}, variables).load().settings.kubernetes
    assert (found.mode, found.node) == ("off", "worker-1")
    assert found.include.namespaces == ("shop", "team-*")
    assert (found.exclude.pods, found.exclude.ports) == (("*/debug",), (9100, 22))


def test_off_needs_no_quotes(tmp_path: Path) -> None:
    """YAML 1.1 takes it for `false`."""
    file = tmp_path / "kindling.yaml"
    file.write_text("kubernetes:\n  mode: off\n", encoding="utf-8")
    assert Sources(file, {}, {}).load().settings.kubernetes.mode == "off"


def test_every_setting_says_what_it_is_for() -> None:
    """Also those that two sections inherit."""
    assert all(leaf.field.text for leaf in leaves(Settings) if leaf.name.startswith("kubernetes."))


@pytest.mark.parametrize(
    "namespaces, pods, ports",
    [(("Shop",), (), ()), ((), ("web",), ()), ((), ("a/b/c",), ()), ((), (), (65_536,)), ((), (), (-1,))],
)
def test_what_can_be_no_rule(namespaces: tuple[str, ...], pods: tuple[str, ...], ports: tuple[int, ...]) -> None:
    with pytest.raises(SettingError, match="is not"):
        Selection(namespaces, pods, ports)
