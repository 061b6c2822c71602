from __future__ import annotations

from kindling.model import Workload


def test_what_makes_two_workloads_one() -> None:
    first = Workload("unit", "nginx.service", pid=7, comm="nginx", exe="/usr/sbin/nginx")
    again = Workload("unit", "nginx.service", pid=8, inferred=True)
    other = Workload("unit", "nginx.service", namespace="shop")
    assert first == again
    assert hash(first) == hash(again)
    assert first != other
