"""How often the kernel is asked: a limit of a second, and of each pair ever more seldom."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from kindling.kubernetes.conntrack import Endpoint
from kindling.kubernetes.lookups import PER_SECOND, Asked, Pair, Question, Questions

PAIR = Pair("10.1.0.5", "10.96.0.10", 80, "tcp")


class Silent:
    """A kernel that never answers, or at once."""

    def __init__(self, *, answers: bool = True) -> None:
        self.answers = answers
        self.asked: list[Question] = []
        self.seconds = 0.0

    def put(self, questions: Sequence[Question]) -> None:
        self.asked += questions

    def take(self) -> list[tuple[Pair, Endpoint | None]]:
        return [(pair, None) for pair, _ in self.asked] if self.answers else []

    @property
    def waiting(self) -> int:
        return 0 if self.answers else len(self.asked)


def clients(count: int, begin: int = 0) -> list[Pair]:
    return [PAIR._replace(client=f"10.2.{n >> 8}.{n & 255}") for n in range(begin, begin + count)]


def test_a_port_that_is_not_known_is_not_asked_for() -> None:
    lookup = Silent()
    questions = Questions(lookup)
    questions.want(PAIR, 0, Asked(), 100.0)
    questions.put(100.0)
    assert lookup.asked == []


def test_of_several_connections_the_newest() -> None:
    lookup = Silent()
    questions = Questions(lookup)
    asked = Asked()
    for port in (1, 2):
        questions.want(PAIR, port, asked, 100.0)
    questions.put(100.0)
    questions.want(PAIR, 2, asked, 101.0)
    questions.put(101.0)
    assert [connection.client_port for _, connection in lookup.asked] == [2]


def test_new_pairs_come_first() -> None:
    lookup = Silent()
    questions = Questions(lookup)
    for pair in clients(PER_SECOND):
        questions.want(pair, 7, Asked(times=1, ports=(6,)), 100.0)
    for pair in clients(10, begin=PER_SECOND):
        questions.want(pair, 7, Asked(), 100.0)
    questions.put(100.0)
    assert [pair for pair, _ in lookup.asked[:10]] == clients(10, begin=PER_SECOND)
    assert (len(lookup.asked), questions.held_back) == (PER_SECOND, 0)


def test_what_waits_for_an_answer_takes_room() -> None:
    lookup = Silent(answers=False)
    questions = Questions(lookup)
    for second in range(3):
        for pair in clients(1_500, begin=1_500 * second):
            questions.want(pair, 7, Asked(), 100.0 + second)
        questions.put(100.0 + second)
    assert (len(lookup.asked), questions.held_back) == (PER_SECOND, 2_500)


@given(st.lists(st.tuples(st.floats(0.01, 5.0), st.integers(0, 3_000)), max_size=5))
@settings(max_examples=25)
def test_never_more_than_the_limit(intervals: list[tuple[float, int]]) -> None:
    lookup = Silent()
    questions = Questions(lookup)
    now = begun = 1_000.0
    number = 0
    for pause, count in intervals:
        for pair in clients(count, begin=number):
            questions.want(pair, 7, Asked(), now)
        questions.put(now)
        number += count
        assert questions.asked == len(lookup.asked) <= PER_SECOND * (1 + now - begun) + 1
        assert questions.asked + questions.held_back == number
        now += pause
