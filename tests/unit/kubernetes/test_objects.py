"""What is decoded of the API's objects is what is used."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import msgspec
import pytest

from kindling.kubernetes import objects

SOURCES = {
    path: path.read_text(encoding="utf-8")
    for path in Path(objects.__file__).parent.glob("*.py")
    if path.name != "objects.py"
}
FIELDS = [
    (kind.__name__, each.name)
    for _, kind in inspect.getmembers(objects, inspect.isclass)
    if issubclass(kind, msgspec.Struct) and kind.__module__ == objects.__name__
    for each in msgspec.structs.fields(kind)
]


@pytest.mark.parametrize(("kind", "field"), FIELDS)
def test_no_field_is_decoded_for_nothing(kind: str, field: str) -> None:
    """A pod has some hundred more: each that is kept is kept ten thousand times."""
    assert any(re.search(rf"\.{field}\b", text) for text in SOURCES.values()), f"nobody asks for {kind}.{field}"


def test_an_object_of_which_everything_is_odd_but_what_is_used() -> None:
    text = b'{"metadata": {"name": "a", "labels": {"x": 1}, "managedFields": 3}, "spec": {"volumes": {"no": []}}}'
    found: objects.Pod = objects.decode(text, objects.Pod)
    assert (found.metadata.name, found.spec.containers) == ("a", None)


@pytest.mark.parametrize("text", [b"{}", b'{"metadata": 3}', b'{"metadata": {"name": null}}', b"[", b""])
def test_what_is_no_object(text: bytes) -> None:
    with pytest.raises(objects.DecodeError):
        objects.decode(text, objects.Pod)
