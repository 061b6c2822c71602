"""docs/api.md names what there is."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

from asgi import get
from factories import snapshot
from fixed_agent import FixedView
from kindling.api import create_app
from kindling.api.parameters import FILTERS
from kindling.config import Server
from kindling.export.filters import Filter
from kindling.export.record_types import RECORD_TYPES

PAGE = (Path(__file__).parents[3] / "docs" / "api.md").read_text(encoding="utf-8")
NAMED = set(re.findall(r"`([^`]+)`", PAGE))


def test_every_path_is_named() -> None:
    paths = get(create_app(FixedView(snapshot())), "/api/v1/openapi.json").json()["paths"]
    lists = {path for path in paths if "/stream/" not in path}
    assert lists <= NAMED
    assert {path.rpartition("/")[2] for path in paths if "/stream/" in path} <= NAMED


def test_every_filter_is_named() -> None:
    assert set(FILTERS) == {field.name for field in fields(Filter)}
    assert set(FILTERS) <= NAMED


def test_every_field_is_named() -> None:
    for table in ("flows", "requests", "dns", "events"):
        assert set(RECORD_TYPES[table].__annotations__) <= NAMED


def test_every_setting_is_named() -> None:
    without = {"token_file", "tls_cert", "tls_key", "client_ca", "no_auth"}  # named as options
    for field in fields(Server):
        option = f"--{field.name.replace('_', '-')}"
        assert option in PAGE if field.name in without else field.name in PAGE
