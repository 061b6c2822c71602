from __future__ import annotations

from kindling.model import Workload
from kindling.table.resolved import ResolvedNames

WEB = Workload("process", "web")
JOB = Workload("process", "job")
X = Workload("process", "x")
ADDRESS = "192.0.2.1"


def test_own_answer_before_the_node_s() -> None:
    names = ResolvedNames(10)
    names.learn(WEB, "a.example", [(ADDRESS, 60)], 0)
    names.learn(JOB, "b.example", [(ADDRESS, 60)], 1)
    assert names.find(WEB, ADDRESS, 2) == ("a.example", "dns")
    assert names.find(JOB, ADDRESS, 2) == ("b.example", "dns")
    assert names.find(X, ADDRESS, 2) == ("b.example", "node-dns")
    assert names.find(WEB, "192.0.2.2", 2) == ("", "address")


def test_newest_answer_counts() -> None:
    names = ResolvedNames(10)
    names.learn(WEB, "a.example", [(ADDRESS, 60)], 0)
    names.learn(WEB, "b.example", [(ADDRESS, 60)], 1)
    assert names.find(WEB, ADDRESS, 2) == ("b.example", "dns")
    names.learn(WEB, "a.example", [(ADDRESS, 60)], 0.5)
    assert names.find(WEB, ADDRESS, 2) == ("b.example", "dns"), "an answer that is read late is not the newest"


def test_one_name_on_many_addresses() -> None:
    names = ResolvedNames(10)
    names.learn(WEB, "a.example", [(ADDRESS, 60), ("2001:db8::1", 60)], 0)
    assert names.find(WEB, ADDRESS, 1) == names.find(WEB, "2001:db8::1", 1) == ("a.example", "dns")


def test_answers_to_others_name_for_the_node() -> None:
    names = ResolvedNames(10)
    names.learn(None, "a.example", [(ADDRESS, 60)], 0)
    assert names.find(WEB, ADDRESS, 1) == ("a.example", "node-dns")
    assert len(names) == 1


def test_answers_grow_old() -> None:
    names = ResolvedNames(10)
    names.learn(WEB, "a.example", [(ADDRESS, 60)], 0)
    assert names.find(JOB, ADDRESS, 3660) == ("a.example", "node-dns")
    assert names.find(JOB, ADDRESS, 3661) == ("", "address")
    assert names.find(WEB, ADDRESS, 86_460) == ("a.example", "dns")
    assert names.find(WEB, ADDRESS, 86_461) == ("", "address")
    assert len(names) == 0


def test_no_ttl_at_all() -> None:
    names = ResolvedNames(10)
    names.learn(WEB, "a.example", [(ADDRESS, 0)], 0)
    assert names.find(WEB, ADDRESS, 600) == ("a.example", "dns")


def test_no_ttl_is_longer_than_a_week() -> None:
    names = ResolvedNames(10)
    names.learn(WEB, "a.example", [(ADDRESS, 0x7FFF_FFFF)], 0)
    assert names.find(WEB, ADDRESS, 8 * 86_400 + 1) == ("", "address")


def test_bounded() -> None:
    names = ResolvedNames(3)
    for i in range(3):
        names.learn(WEB, f"{i}.example", [(f"192.0.2.{i}", 60)], 0)
    assert names.find(WEB, "192.0.2.0", 1)
    names.learn(WEB, "3.example", [("192.0.2.3", 60)], 0)
    assert len(names) == 6
    assert names.find(WEB, "192.0.2.0", 1) == ("0.example", "dns"), "used last"
    assert names.find(JOB, "192.0.2.3", 1) == ("3.example", "node-dns")


def test_what_changed() -> None:
    names = ResolvedNames(10)
    names.learn(WEB, "a.example", [(ADDRESS, 60), ("192.0.2.2", 60)], 0)
    assert names.take_changed() == {ADDRESS, "192.0.2.2"}
    names.learn(WEB, "a.example", [(ADDRESS, 60)], 1)
    assert names.take_changed() == set()
    names.learn(JOB, "a.example", [(ADDRESS, 60)], 2)
    assert names.take_changed() == {ADDRESS}, "now it is evidence of its own"
    names.learn(None, "b.example", [(ADDRESS, 60)], 3)
    assert names.take_changed() == {ADDRESS}


def test_entries_can_be_learned_again() -> None:
    names = ResolvedNames(10)
    names.learn(WEB, "a.example", [(ADDRESS, 60), ("192.0.2.2", 0)], 0)
    names.learn(JOB, "b.example", [(ADDRESS, 60)], 1)
    names.learn(None, "c.example", [("192.0.2.3", 60)], 2)
    entries = list(names.entries())
    assert len(entries) == 4
    again = ResolvedNames(10)
    for entry in entries:
        again.learn(*entry)
    assert list(again.entries()) == entries
    for who in (WEB, JOB, X):
        for address in (ADDRESS, "192.0.2.2", "192.0.2.3"):
            assert again.find(who, address, 3) == names.find(who, address, 3)
