"""Network policies that allow what workloads were seen to use: records of /api/v1 in, YAML out.

NetworkPolicy: networking.k8s.io/v1. CiliumNetworkPolicy: cilium.io/v2, docs.cilium.io "Layer 3" (toFQDNs, toEntities).
Records are keyed as in `export.record_types`; a flow whose peer is known in the cluster has `peer_kind` (pod, service,
node), `peer_namespace`, `peer_workload`, `peer_workload_kind` and `peer_service`, too. Names come from the network:
none reaches the output that is not a name of DNS or Kubernetes.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from kindling.wire.address import parsed

Record = Mapping[str, Any]
Format = Literal["kubernetes", "cilium"]
Body = dict[str, Any]

FORMATS: Final[tuple[Format, ...]] = ("kubernetes", "cilium")
DEFAULT_LABEL: Final = "app.kubernetes.io/name"
MOST_ADDRESSES: Final = 256
"""Of one rule; a name with more is said to be too many."""

_NAME: Final = re.compile(r"(?:\*\.)?[a-z0-9_](?:[a-z0-9_.-]{0,251}[a-z0-9_])?")
_OBJECT: Final = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")
#: A name that Cilium learns, too, for the workload has to ask DNS for it.
_ASKED: Final = frozenset({"host", "sni", "dns", "node-dns"})
_TRANSPORTS: Final = {"tcp": "TCP", "udp": "UDP", "sctp": "SCTP"}
_DNS_PORT: Final = 53


@dataclass(frozen=True, slots=True, order=True)
class Owner:
    """Whose policy it is."""

    namespace: str
    kind: str
    name: str


@dataclass(frozen=True, slots=True, order=True)
class Target:
    """One rule: what was reached, and on which port."""

    sort: int
    """Peers first, then names, then addresses."""
    kind: str
    """pod, service, node, name or address."""
    namespace: str
    name: str
    transport: str
    port: int


@dataclass(slots=True)
class Use:
    """How a target was used."""

    connections: int = 0
    failures: int = 0
    addresses: set[str] = field(default_factory=set)
    evidence: set[str] = field(default_factory=set)
    protocols: set[str] = field(default_factory=set)
    inferred: bool = False

    def add(self, record: Record, addresses: Iterable[str]) -> None:
        self.connections += _count(record, "connections", "opened")
        self.failures += _count(record, "failures")
        self.addresses.update(addresses)
        self.evidence.add(_plain(record.get("evidence", "")))
        self.protocols.add(_plain(record.get("protocol", "")))
        self.inferred |= bool(record.get("inferred"))


@dataclass(slots=True)
class Seen:
    """What was seen, by workload; `skipped`: how many records have no place in a policy, by reason."""

    uses: dict[Owner, dict[Target, Use]] = field(default_factory=dict)
    skipped: dict[str, int] = field(default_factory=dict)


def seen_of(flows: Iterable[Record], external: Iterable[Record]) -> Seen:
    """What workloads with a namespace used as clients. Flows that leave the cluster are passed over, for `external` has
    them.
    """
    seen = Seen()
    for record in flows:
        if record.get("role") == "unknown":
            _skip(seen, "connections of which it is not known who began them")
        if record.get("role") != "client" or record.get("scope") == "loopback":
            continue
        if record.get("peer_kind") or record.get("scope") == "own":
            _add(seen, record, [_reached(record)])
    for record in external:
        _add(seen, record, record.get("addresses") or [])
    return seen


def policies(seen: Seen, chosen: Format, *, label: str = DEFAULT_LABEL, notes: Iterable[str] = ()) -> str:
    """A YAML document for each workload. `label`: which one of a pod carries its workload's name."""
    if not seen.uses:
        return "".join(
            f"# {_comment(line)}\n" for line in [*notes, "No workload of a namespace was seen to use anything."]
        )
    head = [*notes, *(f"Not in here: {count} {reason}." for reason, count in sorted(seen.skipped.items()))]
    documents = [_document(owner, uses, chosen, label, head) for owner, uses in sorted(seen.uses.items())]
    return "---\n".join(documents)


# --- from records to uses ---------------------------------------------------------------------


def _add(seen: Seen, record: Record, addresses: Iterable[Any]) -> None:
    owner = _owner(record)
    if owner is None:
        _skip(seen, "records of processes that belong to no namespace")
        return
    found = sorted({address for each in addresses if (address := _address(each))})
    target = _target(record, found)
    if target is None:
        _skip(seen, "records without port, address or known transport")
        return
    uses = seen.uses.setdefault(owner, {})
    uses.setdefault(target, Use()).add(record, found)


def _reached(record: Record) -> object:
    """The address that a rule has to allow, if it has to be one."""
    return (record.get("peer_host_network") and record.get("peer_ip")) or record.get("remote_ip", "")


def _owner(record: Record) -> Owner | None:
    namespace, name = _object(record.get("namespace")), _object(record.get("workload"))
    return Owner(namespace, _plain(record.get("workload_kind", "")), name) if namespace and name else None


def _target(record: Record, addresses: list[str]) -> Target | None:
    transport, port = _TRANSPORTS.get(str(record.get("transport"))), record.get("port")
    if transport is None or not isinstance(port, int) or not 0 < port <= 65_535:
        return None
    kind, namespace = record.get("peer_kind"), _object(record.get("peer_namespace"))
    workload, service = _object(record.get("peer_workload")), _object(record.get("peer_service"))
    hosted = kind == "service" and record.get("peer_host_network")
    if kind == "node" or (hosted and record.get("peer_ip")):
        port = _count(record, "peer_port") or port
        return Target(0, "node", "", "", transport, port) if addresses else None
    if (
        kind in {"pod", "service"}
        and not hosted
        and namespace
        and workload
        and record.get("peer_workload_kind") != "service"
    ):
        port = _count(record, "peer_port") or port  # rules are about ports of pods, not of services
        return Target(0, "pod", namespace, workload, transport, port)
    if kind in {"pod", "service"} and namespace and (service or workload):
        return Target(0, "service", namespace, service or workload, transport, port)
    name = str(record.get("name") or "").lower().removesuffix(".")
    if name and _NAME.fullmatch(name) and not _address(name):
        return Target(1, "name", "", name, transport, port)
    return Target(2, "address", "", addresses[0], transport, port) if addresses else None


def _skip(seen: Seen, reason: str) -> None:
    seen.skipped[reason] = seen.skipped.get(reason, 0) + 1


def _count(record: Record, *keys: str) -> int:
    return next((value for key in keys if isinstance(value := record.get(key), int)), 0)


def _address(text: object) -> str:
    return str(parsed(str(text)) or "")


def _object(text: object) -> str:
    return text if isinstance(text, str) and _OBJECT.fullmatch(text) else ""


def _plain(text: object) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "", str(text))[:63]


# --- from uses to YAML ------------------------------------------------------------------------


def _document(owner: Owner, uses: dict[Target, Use], chosen: Format, label: str, head: list[str]) -> str:
    import yaml

    used = {target: use for target, use in sorted(uses.items()) if use.connections}
    lines = [f"{owner.kind or 'workload'} {owner.name} of {owner.namespace}", *head]
    lines += [
        f"Not allowed, for it never answered: {_place(target, use)}, tried {use.failures} times"
        for target, use in sorted(uses.items())
        if not use.connections
    ]
    rules: list[tuple[list[str], Body | None]] = []
    if chosen == "cilium" and (asked := _asked(used)):
        rules.append((["toFQDNs works on answers that Cilium sees: DNS goes through its proxy."], _cilium_dns(asked)))
    write = _cilium if chosen == "cilium" else _kubernetes
    bodies = {target: write(target, use, label) for target, use in used.items()}
    rules += [(_said(target, use, chosen), bodies[target]) for target, use in used.items()]
    what = "CiliumNetworkPolicy" if chosen == "cilium" else "NetworkPolicy"
    version = "cilium.io/v2" if chosen == "cilium" else "networking.k8s.io/v1"
    selector = "endpointSelector" if chosen == "cilium" else "podSelector"
    spec: Body = {selector: {"matchLabels": {label: owner.name}}}
    if chosen == "kubernetes":
        spec["policyTypes"] = ["Egress"]
    document = {
        "apiVersion": version,
        "kind": what,
        "metadata": {"name": f"{owner.name}-seen"[:253], "namespace": owner.namespace},
        "spec": spec,
    }
    lines.append(f"CHECK: are the pods labelled {label}={owner.name}? Labels are not seen (--label).")
    if not any(body and target.port == _DNS_PORT for target, body in bodies.items()) and chosen == "kubernetes":
        lines.append("CHECK: nothing here allows DNS (port 53); without it no name is found.")
    text = "".join(f"# {_comment(line)}\n" for line in lines) + yaml.safe_dump(document, sort_keys=False)
    return text + _rules(rules)


def _rules(rules: list[tuple[list[str], Body | None]]) -> str:
    import yaml

    text = "  egress:\n" if any(body for _, body in rules) else "  egress: [] # nothing\n"
    for said, body in rules:
        text += "".join(f"    # {_comment(line)}\n" for line in said)
        if body:
            dumped = yaml.safe_dump([body], sort_keys=False, default_flow_style=False)
            text += "".join(f"    {line}\n" for line in dumped.splitlines())
    return text


def _said(target: Target, use: Use, chosen: Format) -> list[str]:
    known = ", ".join(sorted(filter(None, use.evidence)))
    protocols = ", ".join(sorted(filter(None, use.protocols)))
    lines = [
        f"{_place(target, use)}: {use.connections} connections"
        + (f", {use.failures} failed" if use.failures else "")
        + (f", {protocols}" if protocols else "")
        + (f", known by {known}" if known and target.sort else "")
    ]
    if use.inferred:
        lines.append("Of some it was inferred who began them: they are older than the agent.")
    if target.kind == "service":
        lines.append("CHECK: a policy allows pods, no Service, and which pods answered was not seen. Allow them here.")
    elif len(use.addresses) > MOST_ADDRESSES:
        lines.append(
            f"CHECK: {len(use.addresses)} addresses are too many for a rule; the first {MOST_ADDRESSES} stand here."
        )
    elif target.name.startswith("*."):
        lines.append("CHECK: many names of one domain; in a pattern * stands for one level.")
    if target.kind == "name" and not _by_name(target, use, chosen):
        lines.append("Rules know no name here: these are the addresses that were seen, another one is refused.")
    return lines


def _place(target: Target, use: Use) -> str:
    where = {
        "pod": f"{target.name} of {target.namespace}",
        "service": f"Service {target.name} of {target.namespace}",
        "node": f"nodes ({len(use.addresses)} addresses)",
    }.get(target.kind, target.name)
    return f"{where}, {target.transport} {target.port}"


def _kubernetes(target: Target, use: Use, label: str) -> Body | None:
    if target.kind == "service":
        return None
    to = [_pods(target, label)] if target.kind == "pod" else [{"ipBlock": {"cidr": each}} for each in _blocks(use)]
    return {"to": to, "ports": [{"protocol": target.transport, "port": target.port}]} if to else None


def _pods(target: Target, label: str) -> Body:
    return {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": target.namespace}},
        "podSelector": {"matchLabels": {label: target.name}},
    }


def _cilium(target: Target, use: Use, label: str) -> Body | None:
    ports = [{"ports": [{"port": str(target.port), "protocol": target.transport}]}]
    if target.kind == "service":
        return None
    if target.kind == "pod":
        labels = {"k8s:io.kubernetes.pod.namespace": target.namespace, label: target.name}
        return {"toEndpoints": [{"matchLabels": labels}], "toPorts": ports}
    if target.kind == "node":
        return {"toEntities": ["host", "remote-node", "kube-apiserver"], "toPorts": ports}
    if _by_name(target, use, "cilium"):
        return {"toFQDNs": [_match(target.name)], "toPorts": ports}
    blocks = _blocks(use)
    return {"toCIDR": blocks, "toPorts": ports} if blocks else None


def _by_name(target: Target, use: Use, chosen: Format) -> bool:
    return chosen == "cilium" and target.kind == "name" and bool(use.evidence & _ASKED)


def _asked(used: dict[Target, Use]) -> list[str]:
    return sorted({target.name for target, use in used.items() if _by_name(target, use, "cilium")})


def _cilium_dns(names: list[str]) -> Body:
    labels = {"k8s:io.kubernetes.pod.namespace": "kube-system", "k8s-app": "kube-dns"}
    ports = [{"port": str(_DNS_PORT), "protocol": "ANY"}]
    return {
        "toEndpoints": [{"matchLabels": labels}],
        "toPorts": [{"ports": ports, "rules": {"dns": [_match(name) for name in names]}}],
    }


def _match(name: str) -> Body:
    return {"matchPattern": name} if name.startswith("*.") else {"matchName": name}


def _blocks(use: Use) -> list[str]:
    addresses = [ipaddress.ip_address(each) for each in use.addresses]
    addresses.sort(key=lambda each: (each.version, int(each)))
    return [f"{each}/{each.max_prefixlen}" for each in addresses[:MOST_ADDRESSES]]


def _comment(line: str) -> str:
    """On one line, whatever it holds."""
    return json.dumps(line)[1:-1].replace('\\"', '"')
