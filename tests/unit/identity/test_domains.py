from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kindling.identity.domains import NameBudget, domain_of


@pytest.mark.parametrize(
    "name, domain",
    [
        ("www.example.com", "example.com"),
        ("example.com", "example.com"),
        ("a.b.example.co.uk", "example.co.uk"),
        ("my-bucket.s3.amazonaws.com", "s3.amazonaws.com"),
        ("x.y.my-bucket.s3.amazonaws.com", "s3.amazonaws.com"),
        ("kindling.github.io", "github.io"),
        ("ec2.eu-west-1.amazonaws.com", "amazonaws.com"),
        ("*.example.com", "example.com"),
        ("*.s3.amazonaws.com", "s3.amazonaws.com"),
        ("db.shop.svc.cluster.local", "cluster.local"),
        ("com", "com"),
        ("localhost", "localhost"),
        ("", ""),
    ],
)
def test_domain(name: str, domain: str) -> None:
    assert domain_of(name) == domain


@given(st.text(max_size=80) | st.lists(st.text("ab-", min_size=1, max_size=5), max_size=6).map(".".join))
def test_any_text_has_a_domain_that_it_ends_in(name: str) -> None:
    assert name.removeprefix("*.").lower().endswith(domain_of(name).lower())


def test_names_within_the_budget_are_told_apart_without_the_list() -> None:
    def never(_: str) -> str:
        raise AssertionError

    budget = NameBudget(2, never)
    assert [budget.admit(n) for n in ("a.x.example", "b.x.example", "a.x.example", "a.y.example", "")] == [
        "a.x.example", "b.x.example", "a.x.example", "a.y.example", "",
    ]  # fmt: skip
    assert (len(budget), budget.grouped) == (3, 0)


def test_names_beyond_the_budget_are_grouped() -> None:
    budget = NameBudget(3)
    names = [f"b{i}.s3.amazonaws.com" for i in range(6)]
    assert [budget.admit(name) for name in names] == [*names[:3], *["*.s3.amazonaws.com"] * 3]
    assert budget.grouped == 3
    assert budget.admit("b1.s3.amazonaws.com") == "b1.s3.amazonaws.com", "who was admitted stays"
    assert budget.admit("ec2.amazonaws.com") == "ec2.amazonaws.com", "another domain that only looks alike"
    assert budget.admit("*.s3.amazonaws.com") == "*.s3.amazonaws.com"


def test_domains_below_one_suffix_do_not_share_a_budget() -> None:
    budget = NameBudget(2)
    names = [f"www.shop{i}.co.uk" for i in range(20)]
    assert [budget.admit(name) for name in names] == names
    assert [budget.admit(f"{i}.shop7.co.uk") for i in range(3)] == ["0.shop7.co.uk", "*.shop7.co.uk", "*.shop7.co.uk"]


@given(st.lists(st.tuples(st.integers(0, 9), st.sampled_from(["a.example", "b.example", "c.co.uk", "d.co.uk"]))))
def test_no_domain_ever_exceeds_its_budget(asked: list[tuple[int, str]]) -> None:
    budget = NameBudget(4)
    shown: dict[str, set[str]] = {}
    for number, domain in asked:
        name = budget.admit(f"{number}.{domain}")
        assert name in {f"{number}.{domain}", f"*.{domain}"}
        if not name.startswith("*"):
            shown.setdefault(domain, set()).add(name)
    assert all(len(names) <= 4 for names in shown.values())
