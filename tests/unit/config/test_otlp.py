from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kindling.config import Otlp, parse_header
from kindling.errors import SettingError
from kindling.otlp.connection import address_of, tls_context
from kindling.otlp.headers import HeaderSource


@pytest.mark.parametrize(
    "given",
    [
        {"endpoint": "collector:4317"},
        {"endpoint": "ftp://collector"},
        {"endpoint": "http://"},
        {"endpoint": "http://c:99999"},
        {"endpoint": "http://user:secret@c"},
        {"endpoint": "http://c/path", "protocol": "grpc"},
        {"protocol": "thrift"},
        {"compression": "zstd"},
        {"interval": 0},
        {"timeout": -1},
        {"series": 1},
        {"queue_spans": 0},
        {"client_key": Path("key.pem")},
        {"headers": ("no colon",)},
    ],
)
def test_what_cannot_be(given: dict[str, Any]) -> None:
    with pytest.raises(SettingError):
        Otlp(**given)


@pytest.mark.parametrize(
    ("endpoint", "protocol", "wanted"),
    [
        ("http://c", "http", ("c", 4318, False, "")),
        ("https://c", "grpc", ("c", 4317, True, "")),
        ("http://[::1]:9/otlp/", "http", ("::1", 9, False, "/otlp")),
    ],
)
def test_addresses(endpoint: str, protocol: Any, wanted: tuple[str, int, bool, str]) -> None:
    found = address_of(Otlp(endpoint=endpoint, protocol=protocol))
    assert (found.host, found.port, found.tls, found.path) == wanted


def test_off_without_an_endpoint() -> None:
    assert not Otlp().enabled
    assert Otlp(endpoint="http://c").enabled
    assert not Otlp(endpoint="http://c", metrics=False, traces=False).enabled


@pytest.mark.parametrize("line", ["x: a\nb: c", "x y: z", ": v", "x: \u00e4", "x"])
def test_headers_that_cannot_be_sent(line: str) -> None:
    with pytest.raises(SettingError):
        parse_header(line)


def test_a_file_of_headers_that_is_missing_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingError):
        HeaderSource(Otlp(headers_file=tmp_path / "none"))


def test_a_file_of_headers_that_goes_later(tmp_path: Path) -> None:
    path = tmp_path / "headers"
    path.write_text("Authorization: Bearer x\n")
    source = HeaderSource(Otlp(headers_file=path))
    path.unlink()
    assert source.get() == (("authorization", "Bearer x"),)


@pytest.mark.parametrize("field", ["ca_file", "client_cert"])
def test_certificates_that_are_none(field: str, tmp_path: Path) -> None:
    path = tmp_path / "file.pem"
    path.write_text("no certificate")
    given: dict[str, Any] = {field: path}
    with pytest.raises(SettingError, match=r"file\.pem"):
        tls_context(Otlp(**given))
