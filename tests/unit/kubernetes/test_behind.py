from __future__ import annotations

from kindling.kubernetes.behind import Shared, SharedControllers
from kindling.kubernetes.pods import KnownPod
from kindling.kubernetes.workloads import Controller

CART, OTHER = Controller("deployment", "cart"), Controller("deployment", "other")
CALLED = ("10.96.0.7", 80, "tcp")
ONE, TWO = ("10.1.0.1", 8081), ("10.1.0.2", 8081)


class Pods:
    def __init__(self, **controllers: Controller) -> None:
        self.by_address = {f"10.1.0.{name[1:]}": controller for name, controller in controllers.items()}

    def at(self, endpoint: tuple[str, int], transport: str, when: float) -> KnownPod | None:
        controller = self.by_address.get(endpoint[0])
        return KnownPod("shop", "p", "u", "n1", controller, host_network=False, addresses=()) if controller else None


def test_pods_of_one_controller() -> None:
    assert SharedControllers(Pods(p1=CART, p2=CART).at).of(CALLED, [ONE, TWO], 0) == Shared(CART, 8081, "shop")


def test_pods_of_one_controller_with_ports_of_their_own() -> None:
    found = SharedControllers(Pods(p1=CART, p2=CART).at).of(CALLED, [ONE, (TWO[0], 9000)], 0)
    assert found == Shared(CART, 0, "shop")


def test_pods_of_two_controllers() -> None:
    assert SharedControllers(Pods(p1=CART, p2=OTHER).at).of(CALLED, [ONE, TWO], 0) is None


def test_what_changes_is_news_once() -> None:
    pods = Pods(p1=CART)
    shared = SharedControllers(pods.at)
    assert shared.of(CALLED, [ONE], 0) == Shared(CART, 8081, "shop")
    assert not shared.look(CALLED, [ONE], 0)
    pods.by_address[ONE[0]] = OTHER
    assert not shared.look(CALLED, [ONE], 0), "not in the same interval"
    shared.begin()
    assert shared.look(CALLED, [ONE], 0)
    assert shared.of(CALLED, [ONE], 0) == Shared(OTHER, 8081, "shop")


def test_endpoints_whose_pods_are_not_told_yet_change_nothing() -> None:
    pods = Pods(p1=CART)
    shared = SharedControllers(pods.at)
    shared.of(CALLED, [ONE], 0)
    assert not shared.look(CALLED, [TWO], 0)
    assert shared.of(CALLED, [TWO], 0) == Shared(CART, 8081, "shop")
    shared.keep_only(set())
    assert shared.of(CALLED, [TWO], 0) is None
