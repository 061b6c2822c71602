"""Where the API server is, and as whom: the service account of a pod, or a kubeconfig."""

from __future__ import annotations

import base64
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from certificates import authority
from kindling.errors import SettingError
from kindling.kubernetes.access import Access, from_kubeconfig, in_cluster


def document(**changed: Any) -> dict[str, Any]:
    return {
        "current-context": "here",
        "contexts": [
            {"name": "here", "context": {"cluster": "c", "user": "u"}},
            {"name": "there", "context": {"cluster": "d", "user": "nobody"}},
        ],
        "clusters": [
            {"name": "c", "cluster": {"server": "https://api.example.org:6443/of/this/", **changed.pop("cluster", {})}},
            {"name": "d", "cluster": {"server": "http://[fd00::1]"}},
        ],
        "users": [{"name": "u", "user": changed.pop("user", {"token": "t"})}, {"name": "nobody", "user": None}],
        **changed,
    }


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config"


def read(file: Path, content: Any, context: str = "") -> Access:
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    return from_kubeconfig(file, context)


def test_the_current_context(file: Path) -> None:
    assert read(file, document()) == Access("api.example.org", 6443, base="/of/this", token="t")


def test_another_context(file: Path) -> None:
    assert read(file, document(), "there") == Access("fd00::1", 80, tls=False)


def test_files_are_named_from_where_the_file_is(file: Path) -> None:
    user = {"tokenFile": "token", "client-certificate": "mine.pem", "client-key": "/keys/mine.key"}
    found = read(file, document(user=user, cluster={"certificate-authority": "ca.pem"}))
    assert (found.token_file, found.ca_file) == (file.parent / "token", file.parent / "ca.pem")
    assert (found.cert_file, found.key_file) == (file.parent / "mine.pem", Path("/keys/mine.key"))


def test_certificates_that_stand_in_it(file: Path, tmp_path: Path) -> None:
    signer = authority(tmp_path / "pki")
    cert, key = (base64.b64encode(path.read_bytes()).decode() for path in signer.issue("agent", client=True))
    found = read(
        file,
        document(
            user={"client-certificate-data": cert, "client-key-data": key},
            cluster={"certificate-authority-data": base64.b64encode(signer.cert.read_bytes()).decode()},
        ),
    )
    context = found.context()
    assert context
    assert [each["subject"] for each in context.get_ca_certs()] == [((("commonName", "authority"),),)]
    assert found.key_file
    assert found.key_file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (document(user={"exec": {"command": "aws"}}), "logs in by a program"),
        (document(**{"current-context": "nowhere"}), "nowhere"),
        (document(cluster={"server": "nothing"}), "names no server"),
        (document(cluster={"server": "https://a:99999"}), "not understood"),
        (document(cluster={"certificate-authority-data": "%"}), "not understood"),
        (document(user="text"), "not understood"),
        (document(clusters=None), "not understood"),
        ({}, "current-context"),
        (["a list"], "not understood"),
        (None, "not understood"),
    ],
)
def test_what_is_no_kubeconfig(file: Path, content: Any, problem: str) -> None:
    with pytest.raises(SettingError, match=problem):
        read(file, content)


def test_a_file_that_is_not_there(file: Path) -> None:
    with pytest.raises(SettingError, match="cannot be read"):
        from_kubeconfig(file)


def test_a_certificate_that_is_none(file: Path) -> None:
    for _ in range(2):
        with pytest.raises(SettingError, match=f"certificates .*{file}.* cannot be read"):
            Access("a", 1, ca_file=file).context()
        file.write_text("no certificate", encoding="ascii")
    with pytest.raises(SettingError, match="of the kubeconfig"):
        Access("a", 1, ca="no certificate").context()


words = st.sampled_from(["contexts", "clusters", "users", "name", "context", "cluster", "user", "server", "here", "c"])
trees = st.recursive(
    st.none() | st.booleans() | st.integers() | words | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=4),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(where=st.sampled_from(["contexts", "clusters", "users", "current-context"]), tree=trees)
def test_anything_gives_an_access_or_says_why_not(file: Path, where: str, tree: Any) -> None:
    with suppress(SettingError):
        assert read(file, document(**{where: tree})).host


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200))
def test_bytes(file: Path, data: bytes) -> None:
    file.write_bytes(data)
    with pytest.raises(SettingError):
        from_kubeconfig(file)


def test_in_a_pod(tmp_path: Path) -> None:
    here = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}
    found = in_cluster(here, tmp_path)
    assert found == Access("10.96.0.1", 443, token_file=tmp_path / "token", ca_file=tmp_path / "ca.crt")
    with pytest.raises(SettingError, match=r"token file .* cannot be read: No such file"):
        found.authorization()
    (tmp_path / "token").write_bytes(b"\xff")
    with pytest.raises(SettingError, match="holds no token"):
        found.authorization()
    (tmp_path / "token").write_text("one\n", encoding="ascii")
    assert found.authorization() == "Bearer one"
    (tmp_path / "token").write_text("two", encoding="ascii")
    assert found.authorization() == "Bearer two"
    assert in_cluster({**here, "KUBERNETES_SERVICE_PORT": "https"}, tmp_path) is None
    assert in_cluster({}, tmp_path) is None


def test_a_token_is_not_shown() -> None:
    assert "secret" not in repr(Access("a", 1, token="secret"))
