"""The tables of this host's kernel."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from kindling.agent.privileges import keep_only_needed
from kindling.config import NO_FILE, Kubernetes, NameSettings, Persistence, Settings
from kindling.model import Snapshot

if TYPE_CHECKING:
    from kindling.capture.bpf.pins import Pins
    from kindling.capture.live import LiveSource
    from kindling.identity import Host, Identifier, Scopes
    from kindling.kubernetes.backends import Backends
    from kindling.kubernetes.following import Following
    from kindling.table import Collector
    from kindling.table.hiding import Hiding
    from kindling.table.journal import FileJournal
    from kindling.table.recovered import Recovered

Say = Callable[[str], None]

JOURNAL = "journal"


class LiveTables:
    """Rows of the collector, and what the kernel says of itself."""

    def __init__(
        self, collector: Collector, source: LiveSource, host: Host, hiding: Hiding, following: Following | None
    ) -> None:
        self._collector = collector
        self._source = source
        self._host = host
        self._hiding = hiding
        self._following = following

    @property
    def scopes(self) -> Scopes:
        """Where addresses are, seen from this host."""
        return self._host.scopes

    def reconfigure(self, names: NameSettings) -> None:
        """Other networks and static names; they are seen with the next tick."""
        self._host.reconfigure(names)

    def select(self, kubernetes: Kubernetes) -> None:
        """Show and hide others, from the next reading on."""
        self._hiding.reconfigure(kubernetes)

    def tick(self) -> None:
        self._host.refresh()
        if self._following:
            self._following.refresh()
        self._collector.tick()

    def snapshot(self) -> Snapshot:
        snapshot = self._collector.snapshot()
        for reason, count in self._source.drops().items():
            snapshot.stats[f"drops.{reason}"] = count
        if self._following:
            snapshot.stats.update(self._following.stats())
        return snapshot


@contextmanager
def live_tables(settings: Settings, say: Say) -> Iterator[LiveTables]:
    """The probe loaded and attached, older sockets made known to it; detached at the end, its totals kept.

    Killed, it leaves the probe counting, and the next one goes on: docs/restart.md.
    """
    from kindling.capture.live import LiveSource
    from kindling.identity import Host, Identifier
    from kindling.identity.pods import InPods
    from kindling.protocols.registry import slow_thresholds
    from kindling.table import Collector
    from kindling.table.hiding import Hiding
    from kindling.table.journal import FileJournal
    from kindling.table.recovered import boot_id

    with ExitStack() as stack:
        pins = _open_pins(settings.persistence, stack, say)
        journal = FileJournal(settings.persistence.state / JOURNAL) if pins else None
        if journal:
            stack.callback(journal.close)
        boot = boot_id()
        saved = _read(pins, journal, boot, say) if pins and journal else None
        source = stack.enter_context(LiveSource(slow_ns=dict(enumerate(slow_thresholds())), pins=pins))
        say(_what_was_done(source, saved))
        host = Host(settings.names)
        following = _follow(settings.kubernetes, stack, say)
        pods = InPods(following.pods) if following else None
        identifier = Identifier(host=host, pods=pods)
        hiding = Hiding(settings.kubernetes, following.pods.unobserved) if following else Hiding(settings.kubernetes)
        collector = Collector(
            source,
            settings,
            identifier,
            journal=journal,
            scopes=host.scopes,
            static=host.static,
            peers=following.cluster if following else None,
            late=pods,
            hiding=hiding,
        )
        _adopt(source, identifier, say)
        if journal:
            collector.begin(source, boot, saved)
            if journal.failing:
                say(f"cannot write {journal.path}: should this agent be killed, its counters begin anew")
        del saved
        kept = keep_only_needed(settings.data)
        say(f"capabilities kept: {', '.join(kept) or 'none'}")
        if following:
            following.start()
        try:
            yield LiveTables(collector, source, host, hiding, following)
        finally:
            if journal and not settings.persistence.keep_counting:
                source.detach()
                collector.rest()
                source.forget()


def _open_pins(persistence: Persistence, stack: ExitStack, say: Say) -> Pins | None:
    from kindling.capture.bpf.pins import Pins

    if not persistence.enabled:
        return None
    try:
        return stack.enter_context(Pins(persistence.pins))
    except OSError as error:
        say(f"nothing can be kept in {persistence.pins} ({error.strerror}): counters begin anew with each start")
        return None


def _follow(settings: Kubernetes, stack: ExitStack, say: Say) -> Following | None:
    """Not started yet: its threads shall have no more privileges than this one keeps."""
    if settings.mode == "auto" and settings.kubeconfig == NO_FILE and "KUBERNETES_SERVICE_HOST" not in os.environ:
        return None  # what follows is never imported on a host without cluster
    from kindling.capture.bpf.cilium import calls
    from kindling.kubernetes.following import follow

    following = follow(settings, say)
    if following:
        stack.callback(following.close)
        if following.cluster.whole:
            _ask_conntrack(following.cluster.backends, stack, say)
            following.cluster.read_calls = calls
    return following


def _ask_conntrack(backends: Backends, stack: ExitStack, say: Say) -> None:
    from kindling.agent.conntrack import open_asker

    try:
        asker = open_asker()
    except OSError as error:
        say(
            f"cannot ask the node's connection tracking ({error.strerror}): which pod answers a service"
            " is known only where it is on this node"
        )
        return
    stack.callback(asker.close)
    backends.ask(asker)


def _read(pins: Pins, journal: FileJournal, boot: str, say: Say) -> Recovered | None:
    """What an earlier agent left. Maps without their journal are thrown away: nobody can tell what is in them."""
    from kindling.table.recovered import NothingSavedError, recover

    saved: Recovered | None = None
    reason = f"{journal.path} is gone"
    try:
        saved = recover(journal, boot)
    except NothingSavedError as error:
        reason = str(error) or reason
    left = pins.map_id("flow_slots")
    if left and (saved is None or saved.head.probe != str(left)):
        pins.drop_all()
        if saved is None:
            say(f"an earlier agent left its tables in the kernel, but {reason}: counters begin anew")
    return saved


def _what_was_done(source: LiveSource, saved: Recovered | None) -> str:
    loaded = f"probe loaded, {source.attached} programs attached"
    if source.replaced:
        return (
            f"{loaded}; what an earlier version counted cannot be taken over ({source.replaced}): counters begin anew"
        )
    if source.taken_over:
        gap = "" if source.watched else ", but not while no agent ran"
        own = "" if source.taken_over == "maps and programs" else "; its programs were replaced by this version's"
        return (
            f"probe taken over from an earlier agent, which counted on{gap}: {source.attached} programs attached{own}"
        )
    if saved is not None and not saved.head.probe:
        return f"{loaded}; counters go on where the last agent stopped"
    if saved is not None:
        return f"{loaded}; the tables of the last agent are gone: counters begin anew"
    return loaded


def _adopt(source: LiveSource, identifier: Identifier, say: Say) -> None:
    older = identifier.older_sockets()
    if source.knows_sockets:
        return  # whom the numbers stand for that they bear is all that was missing
    missed = source.adopt(older)
    too_many = f", {missed} of them too many to remember" if missed else ""
    say(f"{len(older)} sockets were open before{too_many}")
