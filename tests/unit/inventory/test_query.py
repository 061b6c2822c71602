"""Questions: what is chosen, in which order, put together how."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factories import NGINX, NOON, SHOP, flow
from kindling.errors import InputError
from kindling.export.filters import Filter
from kindling.inventory import leading
from kindling.inventory.entries import DAY_SECONDS
from kindling.inventory.groups import NO_NAME
from kindling.inventory.parameters import query_of
from kindling.inventory.query import SORTABLE, Query, answer, history
from kindling.inventory.store import Store
from unit.inventory.store_factory import records, store, write


def seen(first: float, last: float, **values: Any) -> Any:
    row = flow(**values)
    row.first_seen, row.last_seen = first, last
    return row


@pytest.fixture
def kept(tmp_path: Path) -> Store:
    """Five entries of three workloads over three days."""
    full = store(tmp_path)
    write(
        full,
        seen(NOON - 2 * DAY_SECONDS, NOON - 2 * DAY_SECONDS, name="a.example.org", opened=5, bytes_out=10),
        seen(NOON - DAY_SECONDS, NOON - DAY_SECONDS, name="b.example.org", opened=3, bytes_out=500, workload=SHOP),
        seen(NOON - 60, NOON, name="", evidence="address", remote_ip="192.0.2.9", port=80, protocol="http", opened=2),
        seen(
            NOON - 30,
            NOON,
            name="db.shop",
            evidence="dns",
            port=53,
            transport="udp",
            protocol="dns",
            opened=1,
            scope="private",
            network="office",
            remote_ip="10.0.0.9",
            workload=SHOP,
        ),
        seen(NOON - 10, NOON, name="x.co.uk", opened=0, failed={"timeout": 9}, workload=NGINX),
    )
    return full


def names(kept: Store, **query: Any) -> list[str]:
    return [row["destination"] for row in records(kept, **query)]


@pytest.mark.parametrize(
    ("selection", "wanted"),
    [
        ({"workload": ("curl",)}, {"a.example.org", "192.0.2.9"}),
        ({"workload": ("CURL", "nginx*")}, {"a.example.org", "192.0.2.9", "x.co.uk"}),
        ({"namespace": ("none",)}, set()),
        ({"port": (80, 53)}, {"192.0.2.9", "db.shop"}),
        ({"protocol": ("udp",)}, {"db.shop"}),
        ({"protocol": ("http", "dns")}, {"192.0.2.9", "db.shop"}),
        ({"destination": ("*.example.org",)}, {"a.example.org", "b.example.org"}),
        ({"destination": ("10.0.0.*",)}, {"db.shop"}),
        ({"scope": ("private",)}, {"db.shop"}),
        ({"scope": ("office",)}, {"db.shop"}),
        ({"destination": ("10.0.0.0/8",)}, {"db.shop"}),
        ({"transport": ("udp",)}, {"db.shop"}),
        ({"role": ("server",)}, set()),
        ({"evidence": ("dns", "address")}, {"db.shop", "192.0.2.9"}),
        ({"search": "EXAMPLE"}, {"a.example.org", "b.example.org"}),
        ({"search": "10.0.0"}, {"db.shop"}),
        ({"workload": ("curl",), "port": (443,)}, {"a.example.org"}),
    ],
)
def test_what_is_chosen(kept: Store, selection: dict[str, Any], wanted: set[str]) -> None:
    assert set(names(kept, wanted=Filter(**selection))) == wanted


@pytest.mark.parametrize(
    ("times", "wanted"),
    [
        ({"since": NOON - 3_600}, {"192.0.2.9", "db.shop", "x.co.uk"}),
        ({"until": NOON - DAY_SECONDS}, {"a.example.org", "b.example.org"}),
        ({"since": NOON - 1.5 * DAY_SECONDS, "until": NOON - 3_600}, {"b.example.org"}),
        ({"since": NOON + 1}, set()),
    ],
)
def test_when(kept: Store, times: dict[str, Any], wanted: set[str]) -> None:
    assert set(names(kept, wanted=Filter(**times))) == wanted


def test_what_is_new_since(kept: Store) -> None:
    assert set(names(kept, new_since=NOON - 40)) == {"db.shop", "x.co.uk"}


def test_numbers_of_a_time_are_those_of_its_days(tmp_path: Path) -> None:
    kept = store(tmp_path)
    row = flow(opened=10)
    row.first_seen = row.last_seen = NOON - 3 * DAY_SECONDS
    write(kept, row)
    row.opened, row.last_seen = 11, NOON
    write(kept, row)
    assert records(kept)[0]["connections"] == 11
    assert records(kept, wanted=Filter(since=NOON - DAY_SECONDS))[0]["connections"] == 1
    assert records(kept, wanted=Filter(since=NOON - 5 * DAY_SECONDS))[0]["connections"] == 11
    assert records(kept, wanted=Filter(until=NOON - DAY_SECONDS))[0]["connections"] == 10


@pytest.mark.parametrize("key", SORTABLE)
def test_every_order(kept: Store, key: str) -> None:
    forth, back = records(kept, sort=key), records(kept, sort=f"-{key}")
    values = [row[key] for row in forth]
    assert values == sorted(values, reverse=isinstance(values[0], int | float))
    assert [row[key] for row in back] == values[::-1]


@pytest.mark.parametrize("key", leading.KEYS)
@pytest.mark.parametrize("turn", ["", "-"])
@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_the_quick_way_finds_the_same(kept: Store, key: str, turn: str, limit: int) -> None:
    """Failures of an unknown protocol joined to a known one included."""
    write(
        kept,
        seen(NOON - 5, NOON + 9, name="a.example.org", protocol="unknown", failed={"reset": 30}),
        seen(NOON - 5, NOON + 9, name="b.example.org", protocol="unknown", failed={"reset": 2}, workload=SHOP),
        seen(NOON - 5, NOON + 8, name="b.example.org", protocol="http", opened=90, workload=SHOP),
    )
    open_now = [flow(name="a.example.org", protocol="unknown", active=4)]
    quick = kept.ask([], lambda c: answer(c, Query(sort=turn + key, limit=limit), open_now))
    whole = kept.ask([], lambda c: answer(c, Query(Filter(since=0.0), sort=turn + key, limit=limit), open_now))
    assert [row[key] for row in quick.rows] == [row[key] for row in whole.rows]
    assert (quick.total, quick.connections, quick.by_evidence) == (whole.total, whole.connections, whole.by_evidence)
    if limit == 100:
        assert sorted(map(str, quick.rows)) == sorted(map(str, whole.rows))


def test_limit(kept: Store) -> None:
    found = kept.ask([], lambda connection: answer(connection, Query(limit=2)))
    assert (len(found.rows), found.total) == (2, 5)
    assert found.connections == 11
    assert found.by_evidence == {"sni": 8, "dns": 1, "address": 2}


@pytest.mark.parametrize(
    ("by", "wanted"),
    [
        ("destination", {"a.example.org": 5, "b.example.org": 3, "192.0.2.9": 2, "db.shop": 1, "x.co.uk": 0}),
        ("workload", {"curl": 7, "shop": 4, "nginx.service": 0}),
        ("domain", {"example.org": 8, NO_NAME: 2, "db.shop": 1, "x.co.uk": 0}),
        ("scope", {"public": 10, "private office": 1}),
    ],
)
def test_groups(kept: Store, by: str, wanted: dict[str, int]) -> None:
    assert {row[by]: row["connections"] for row in records(kept, group_by=by)} == wanted
    assert [row["connections"] for row in records(kept, group_by=by)] == sorted(wanted.values(), reverse=True)


def test_a_group_says_what_it_holds(kept: Store) -> None:
    (group,) = [row for row in records(kept, group_by="domain") if row["domain"] == "example.org"]
    assert (group["destinations"], group["workloads"], group["ports"], group["scopes"]) == (2, 2, [443], ["public"])
    assert (group["first_seen"], group["last_seen"]) == (NOON - 2 * DAY_SECONDS, NOON - DAY_SECONDS)


def test_history(kept: Store) -> None:
    days = kept.ask([], lambda connection: history(connection, Query()))
    assert [(day["day"], day["entries"], day["connections"], day["failures"]) for day in days] == [
        ("2024-03-03", 1, 5, 0),
        ("2024-03-04", 1, 3, 0),
        ("2024-03-05", 3, 3, 9),
    ]
    only = Query(Filter(workload=("shop",), since=NOON - DAY_SECONDS))
    days = kept.ask([], lambda connection: history(connection, only))
    assert [(day["day"], day["connections"]) for day in days] == [("2024-03-04", 3), ("2024-03-05", 1)]
    assert kept.ask([], lambda connection: history(connection, Query(new_since=NOON + 1))) == []


@pytest.mark.parametrize(
    "values",
    [{"group_by": "colour"}, {"sort": "colour"}, {"sort": "port", "group_by": "domain"}],
)
def test_questions_that_make_no_sense(values: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        Query(**values)


def test_parameters() -> None:
    query = query_of(
        [("port", "80"), ("port", 443), ("workload", "a*"), ("since", "1.5"), ("limit", "7"), ("sort", "")]
    )
    assert query == Query(Filter(port=(80, 443), workload=("a*",), since=1.5), limit=7)
    assert query_of([]) == Query()


@pytest.mark.parametrize(
    "pair",
    [
        ("port", "x"),
        ("port", "65536"),
        ("port", "-1"),
        ("limit", "1e3"),
        ("limit", "٣"),
        ("since", "nan"),
        ("until", "inf"),
        ("new_since", "yesterday"),
        ("since", "1e300"),
    ],
)
def test_parameters_that_make_no_sense(pair: tuple[str, str]) -> None:
    with pytest.raises(InputError):
        query_of([pair])


@given(st.lists(st.tuples(st.sampled_from(["port", "since", "limit", "sort", "group_by", "destination"]), st.text())))
def test_any_parameters_are_understood_or_refused(pairs: list[tuple[str, str]]) -> None:
    with contextlib.suppress(InputError):
        assert query_of(pairs) == query_of(pairs)
