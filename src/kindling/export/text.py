"""Prometheus text exposition format 0.0.4: labels and numbers.

https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def escape(value: str) -> str:
    """A label's value between its quotes."""
    if "\\" in value or '"' in value or "\n" in value:
        value = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return value


def labels(names: Iterable[str], values: Mapping[str, str]) -> str:
    """`a="1",b=""`: every name in order, the empty string where there is no value."""
    get = values.get
    return ",".join([f'{name}="{escape(get(name, ""))}"' for name in names])


def present_labels(names: Iterable[str], values: Mapping[str, str]) -> str:
    """As `labels`, without those that are empty: for Prometheus an empty label is the same as none."""
    get = values.get
    return ",".join([f'{name}="{escape(value)}"' for name in names if (value := get(name, ""))])


def number(value: float) -> str:
    """Counters stay exact as long as they are integers."""
    if isinstance(value, int):
        return str(value)
    return str(int(value)) if value.is_integer() else repr(value)
