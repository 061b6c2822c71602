"""Values as people read them, and the columns that several tables have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from kindling.export import format as fmt
from kindling.export.records import Record
from kindling.export.table import Column


def text(key: str) -> Callable[[Record], str]:
    return lambda r: fmt.text(r[key])


def _as(key: str, show: Callable[[Any], str]) -> Callable[[Record], str]:
    return lambda r: str(show(r[key]))


def number(key: str, title: str, show: Callable[[Any], str] = fmt.count, rank: int = 0) -> Column:
    return Column(key, title, _as(key, show), "right", rank=rank)


def _who(r: Record) -> str:
    name = _within(r["namespace"], r["workload"])
    return f"{name}/{fmt.text(r['container'])}" if r["container"] and r["container"] != r["workload"] else name


def _within(namespace: str, name: str) -> str:
    return f"{fmt.text(namespace)}/{fmt.text(name)}" if namespace else fmt.text(name)


def _process(r: Record) -> str:
    comm = fmt.text(r["comm"] or r["workload"])
    return f"{comm}[{r['pid']}]" if r["pid"] else comm


def _peer(r: Record) -> str:
    if r["role"] == "server":
        return f":{r['port']} < {_of_cluster(r) or r['remote_ip'] or 'all'}"
    return fmt.endpoint(_of_cluster(r) or fmt.text(r["name"] or r["remote_ip"] or "?"), r["port"])


def _of_cluster(r: Record) -> str:
    """NAMESPACE/WORKLOAD, the service with the pod behind it, or the node; "" for who is none of them."""
    if r["peer_kind"] == "service":
        service = _within(r["peer_namespace"], r["peer_service"])
        return f"{service} > {fmt.text(r['peer_pod'])}" if r["peer_pod"] else service
    return _within(r["peer_namespace"], r["peer_workload"])


def _protocol(r: Record) -> str:
    name: str = r["protocol"] if r["protocol"] != "unknown" else r["transport"]
    detail = " ".join(part for part in (r.get("tls_version", ""), r.get("alpn", "")) if part)
    return f"{name} {fmt.text(detail)}".rstrip()


def _failures(r: Record) -> str:
    if not r["failures"]:
        return "-"
    return f"{r['failures']} " + ",".join(r["failed"])


def answers(r: Record) -> str:
    found = r["answers"]
    if not found:
        return "-"
    last = found[-1]
    more = f" +{len(found) - 1}" if len(found) > 1 else ""
    return f"{fmt.text(last['value'])} ({last['ttl']} s){more}"


def addresses(r: Record) -> str:
    known = r["addresses"]
    if not r["name"]:
        return "-"
    more = f" +{len(known) - 1}" if len(known) > 1 else ""
    return f"{known[0]}{more}"


def _ago(r: Record) -> str:
    return fmt.clock(r["last_seen"])


_INFERRED_NOTE: Final = "~"


def _role(r: Record) -> str:
    return f"{r['role']}{_INFERRED_NOTE if r['inferred'] else ''}"


def event_peer(r: Record) -> str:
    return fmt.endpoint(_of_cluster(r) or fmt.text(r["name"] or r["remote_ip"]), r["remote_port"])


WORKLOAD: Final = Column("workload", "WORKLOAD", _who, least=12)
PEER: Final = Column("name", "PEER", _peer, least=22, keep_end=True)
PROCESS: Final = Column("pid", "PROCESS", _process, least=14, keep_end=True, rank=3)
ROLE: Final = Column("role", "ROLE", _role, rank=2)
PROTOCOL: Final = Column("protocol", "PROTOCOL", _protocol, rank=2)
FAILED: Final = Column("failures", "FAILED", _failures, "right", least=10)
LAST: Final = Column("last_seen", "LAST", _ago, rank=6)
