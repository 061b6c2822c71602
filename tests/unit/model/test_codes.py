"""The numbers of Python and of the header are the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kindling.model import codes, histogram

HEADER = (Path(__file__).parents[3] / "bpf" / "types.h").read_text()


def enum(name: str, prefix: str) -> dict[str, int]:
    """Names (without prefix, lower case) and values of an enum of the header."""
    body = re.search(rf"enum {name} \{{(.*?)\}};", HEADER, re.DOTALL)
    assert body, name
    found = re.findall(rf"{prefix}(\w+) = (\d+)", body[1])
    return {word.lower(): int(value) for word, value in found if word not in {"COUNT", "ROOM"}}


def define(name: str) -> int:
    found = re.search(rf"#define {name} (\d+)", HEADER)
    assert found, name
    return int(found[1])


@pytest.mark.parametrize(
    "kind, name, prefix",
    [
        (codes.RoleNumber, "role", "ROLE_"),
        (codes.ProtocolNumber, "protocol", "PROTOCOL_"),
        (codes.NameKind, "name_kind", "NAME_"),
        (codes.EventKind, "event_kind", "EVENT_"),
    ],
)
def test_enums(kind: type[codes.RoleNumber], name: str, prefix: str) -> None:
    assert {member.name.lower(): member.value for member in kind} == enum(name, prefix)


@pytest.mark.parametrize(
    "names, name, prefix",
    [(codes.FAILURE_NAMES, "failure", "FAILURE_"), (codes.LOST_NAMES, "lost", "LOST_")],
)
def test_ordered_names(names: tuple[str, ...], name: str, prefix: str) -> None:
    assert dict(zip(names, range(len(names)), strict=True)) == enum(name, prefix)


def test_alpn() -> None:
    assert len(codes.ALPN_NAMES) == len(enum("alpn", "ALPN_"))


def test_histogram_shape() -> None:
    assert define("HIST_MIN_LOG2") == histogram.MIN_LOG2
    assert define("HIST_MAX_LOG2") == histogram.MAX_LOG2
    assert define("HIST_SUB") == histogram.SUB
