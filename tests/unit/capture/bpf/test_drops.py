import pytest

from kindling.capture.bpf.drops import parse_reasons
from kindling.errors import UnsupportedError

# As on 6.12, shortened; before 5.17 there was no reason, before 6.11 no rx_sk.
FORMAT = """name: kfree_skb
ID: 1500
format:
	field:unsigned short common_type;	offset:0;	size:2;	signed:0;
	field:void * skbaddr;	offset:8;	size:8;	signed:0;
	field:unsigned short protocol;	offset:24;	size:2;	signed:0;
	field:enum skb_drop_reason reason;	offset:28;	size:4;	signed:0;

print fmt: "skbaddr=%p reason: %s", REC->skbaddr, __print_symbolic(REC->reason, \
{ 2, "NOT_SPECIFIED" }, { 3, "NO_SOCKET" }, { 0x10, "TCP_CSUM" }, { 98, "MAX" })
"""


def test_names_of_the_reasons() -> None:
    assert parse_reasons(FORMAT) == {2: "not_specified", 3: "no_socket", 16: "tcp_csum"}


def test_a_kernel_without_reasons() -> None:
    old = FORMAT.replace("\tfield:enum skb_drop_reason reason;\toffset:28;\tsize:4;\tsigned:0;\n", "")
    with pytest.raises(UnsupportedError, match="tells no reason"):
        parse_reasons(old)
    with pytest.raises(UnsupportedError):
        parse_reasons("")
