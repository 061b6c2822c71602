from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from hypothesis import given
from hypothesis import strategies as st

from kindling.kubernetes.ranges import Ranges

NETWORKS = st.tuples(st.integers(0, 7), st.sampled_from([24, 26, 30, 0])).map(
    lambda at: ip_network(f"10.0.0.{at[0] * 32}/{at[1]}", strict=False)
)


def test_both_families() -> None:
    ranges = Ranges()
    ranges.add(IPv4Network("10.1.0.0/24"))
    ranges.add(IPv6Network("fd00::/64"))
    wanted = {"10.1.0.7": True, "10.1.1.7": False, "fd00::5": True, "fd01::5": False, "": False, "odd": False}
    assert {address: address in ranges for address in wanted} == wanted


@given(st.lists(NETWORKS, max_size=8), st.data())
def test_as_ipaddress_says(networks: list[IPv4Network], data: st.DataObject) -> None:
    ranges = Ranges()
    for network in networks:
        ranges.add(network)
    gone = data.draw(st.lists(st.sampled_from(range(len(networks))), unique=True)) if networks else []
    for index in gone:
        ranges.remove(networks[index])
    left = [network for index, network in enumerate(networks) if index not in gone]
    for text in ("10.0.0.1", "10.0.0.33", "10.0.0.255", "192.0.2.1"):
        assert (text in ranges) == any(ip_address(text) in network for network in left)
