from __future__ import annotations

from kindling.model import Workload
from kindling.table.resolved import ResolvedNames

WEB = Workload("process", "web")
JOB = Workload("process", "job")


def test_own_answer_before_the_node_s() -> None:
    names = ResolvedNames(10)
    names.learn(WEB, "a.example", [("192.0.2.1", 60)], 0)
    names.learn(JOB, "b.example", [("192.0.2.1", 60)], 1)
    assert names.name(WEB, "192.0.2.1", 2) == "a.example"
    assert names.name(JOB, "192.0.2.1", 2) == "b.example"
    assert names.name(Workload("process", "x"), "192.0.2.1", 2) == "b.example"
    assert names.name(WEB, "192.0.2.2", 2) == ""


def test_newest_answer_counts() -> None:
    names = ResolvedNames(10)
    names.learn(WEB, "a.example", [("192.0.2.1", 60)], 0)
    names.learn(WEB, "b.example", [("192.0.2.1", 60)], 1)
    assert names.name(WEB, "192.0.2.1", 2) == "b.example"


def test_answers_to_others_name_for_the_node() -> None:
    names = ResolvedNames(10)
    names.learn(None, "a.example", [("192.0.2.1", 60)], 0)
    assert names.name(WEB, "192.0.2.1", 1) == "a.example"
    assert len(names) == 1


def test_answers_grow_old() -> None:
    names = ResolvedNames(10)
    names.learn(WEB, "a.example", [("192.0.2.1", 60)], 0)
    assert names.name(JOB, "192.0.2.1", 361) == ""
    assert names.name(WEB, "192.0.2.1", 3660) == "a.example"
    assert names.name(WEB, "192.0.2.1", 3661) == ""
    assert len(names) == 0


def test_bounded() -> None:
    names = ResolvedNames(3)
    for i in range(3):
        names.learn(WEB, f"{i}.example", [(f"192.0.2.{i}", 60)], 0)
    assert names.name(WEB, "192.0.2.0", 1)
    names.learn(WEB, "3.example", [("192.0.2.3", 60)], 0)
    assert len(names) == 6
    assert names.name(WEB, "192.0.2.0", 1) == "0.example", "used last"
    assert names.name(JOB, "192.0.2.3", 1) == "3.example"
