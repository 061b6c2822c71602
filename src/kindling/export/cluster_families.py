"""The families in which the agent tells how it follows the cluster. Without a cluster none of them is there."""

from __future__ import annotations

from typing import Final

from kindling.export.family import Family, FamilyType

PREFIX: Final = "kubernetes."
"""Of the keys of `Snapshot.stats` that are told here."""


def _of(name: str, kind: FamilyType, unit: str, text: str, *labels: str) -> Family:
    return Family(f"kindling_kubernetes_{name}", kind, unit, text, labels)


#: Key of `Snapshot.stats`, without PREFIX -> the family that shows it.
PLAIN: Final = {
    "synced": _of("synced", "gauge", "", "1 when everything that is followed was read to its end."),
    "failing_seconds": _of(
        "failing_seconds", "gauge", "seconds", "For how long the API server could not be reached; 0 while it can."
    ),
    "pending": _of("pending_changes", "gauge", "", "Changes told by the API server and not taken yet."),
    "backends.pairs": _of(
        "service_backends", "gauge", "", "Known pairs of a client and a service, with the pods behind it."
    ),
    "backends.unresolved": _of(
        "service_backends_unresolved", "gauge", "", "Pairs of a client and a service whose pod is not known."
    ),
    "backends.joined": _of(
        "service_backends_joined_total", "counter", "", "Pods behind a service found by the server's own socket."
    ),
    "backends.looked_up": _of(
        "service_backends_looked_up_total", "counter", "", "Connections looked up in the kernel's connection tracking."
    ),
    "backends.found": _of("service_backends_found_total", "counter", "", "Those that were found there."),
    "backends.missing": _of("service_backends_missing_total", "counter", "", "Those that were not."),
    "backends.held_back": _of(
        "service_backends_held_back_total", "counter", "", "Look-ups left out because there were too many."
    ),
    "backends.seconds": _of(
        "service_backends_seconds_total", "counter", "seconds", "CPU time spent in looking up connections."
    ),
}

#: The same with the resource (pods, services ...) behind a dot.
BY_RESOURCE: Final = {
    "objects": _of("objects", "gauge", "", "Objects of the cluster that are known.", "resource"),
    "lists": _of("lists_total", "counter", "", "How often all objects were read.", "resource"),
    "watches": _of("watches_total", "counter", "", "How often a watch was opened.", "resource"),
    "events": _of("events_total", "counter", "", "Changes that watches told.", "resource"),
    "errors": _of("errors_total", "counter", "", "Lists and watches that failed.", "resource"),
    "undecodable": _of(
        "undecodable_total", "counter", "", "Objects that could not be read and were left out.", "resource"
    ),
}

CLUSTER_FAMILIES: Final = (*PLAIN.values(), *BY_RESOURCE.values())
