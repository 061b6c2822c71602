from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kindling.kubernetes.claims import Claims


def test_an_address_that_goes_from_one_to_another() -> None:
    claims: Claims[str] = Claims()
    claims.claim("10.0.0.1", "a", "A", since=100)
    claims.release("10.0.0.1", "a", until=200)
    claims.claim("10.0.0.1", "b", "B", since=205)
    assert claims.at("10.0.0.1", 50) is None
    assert claims.at("10.0.0.1", 150) == "A"
    assert claims.at("10.0.0.1", 230) == "B"
    assert claims.at("10.0.0.2", 150) is None


def test_the_end_of_the_old_one_was_not_seen() -> None:
    claims: Claims[str] = Claims()
    claims.claim("10.0.0.1", "a", "A", since=100)
    claims.claim("10.0.0.1", "b", "B", since=205)
    assert claims.at("10.0.0.1", 204.9) == "B", "the later of two that may have had it"
    assert claims.at("10.0.0.1", 150) == "A"
    claims.release("10.0.0.1", "a", until=300)
    assert claims.at("10.0.0.1", 299) == "B"


def test_news_of_the_past_come_late() -> None:
    claims: Claims[str] = Claims()
    claims.claim("10.0.0.1", "b", "B", since=205)
    claims.claim("10.0.0.1", "a", "A", since=100)
    claims.release("10.0.0.1", "a", until=210)
    assert claims.at("10.0.0.1", 230) == "B"


def test_what_ended_long_ago_is_forgotten() -> None:
    claims: Claims[str] = Claims()
    claims.claim("10.0.0.1", "a", "A", since=100)
    claims.release("10.0.0.1", "a", until=200)
    claims.expire(before=201)
    assert not len(claims)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans(), st.integers(1, 100)), max_size=30))
def test_an_address_has_one_open_claim_at_most(steps: list[tuple[str, bool, int]]) -> None:
    claims: Claims[str] = Claims()
    for key, claim, when in steps:
        if claim:
            claims.claim("x", key, key, when)
        else:
            claims.release("x", key, when)
        open_ = [each for each in claims._by_address.get("x", []) if each.until is None]
        assert len(open_) <= 1
