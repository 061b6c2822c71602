"""The families in which the agent tells of itself."""

from __future__ import annotations

from typing import Final

from kindling.export.cluster_families import CLUSTER_FAMILIES
from kindling.export.family import Family, FamilyType

LOST: Final = Family(
    "kindling_agent_lost_total",
    "counter",
    "",
    "What was not counted or not shown, by cause.",
    ("cause",),
)
DROPS: Final = Family(
    "kindling_agent_kernel_drops_total",
    "counter",
    "packets",
    "Packets that the kernel dropped, by its own reason. Only where `kindling check` lists drop reasons.",
    ("reason",),
)
BUILD_INFO: Final = Family("kindling_agent_build_info", "gauge", "", "Always 1; tells the version.", ("version",))
SINCE: Final = Family(
    "kindling_agent_watching_since_seconds",
    "gauge",
    "seconds",
    "When counting began, in seconds since 1970.",
)
TICKS: Final = Family("kindling_agent_ticks_total", "counter", "", "Readings of the probe's tables.")
TICK_SECONDS: Final = Family(
    "kindling_agent_tick_seconds_total", "counter", "seconds", "Time spent in reading the probe's tables."
)
SLOTS_USED: Final = Family(
    "kindling_agent_slots_used", "gauge", "slots", "Slots of the probe's tables in use.", ("table",)
)
SLOTS_CAPACITY: Final = Family(
    "kindling_agent_slots_capacity", "gauge", "slots", "Slots of the probe's tables.", ("table",)
)
SLOTS_RECYCLED: Final = Family(
    "kindling_agent_slots_recycled_total",
    "counter",
    "slots",
    "Idle slots of the probe's tables that were given back.",
    ("table",),
)
ROWS: Final = Family("kindling_agent_rows", "gauge", "rows", "Rows of the agent's tables.", ("table",))
TRACE_EVICTED: Final = Family(
    "kindling_agent_trace_evicted_total",
    "counter",
    "series",
    "Slow and failed requests whose series were given up because there were too many.",
)
CPU: Final = Family("process_cpu_seconds_total", "counter", "seconds", "User and system CPU time of the agent.")
MEMORY: Final = Family("process_resident_memory_bytes", "gauge", "bytes", "Resident memory of the agent.")
STARTED: Final = Family(
    "process_start_time_seconds", "gauge", "seconds", "When the agent started, in seconds since 1970."
)

CPU_BY_MODE: Final = Family(
    "kindling_agent_cpu_seconds_total", "counter", "seconds", "CPU time of the agent: user, system.", ("mode",)
)
MEMORY_BY_KIND: Final = Family(
    "kindling_agent_memory_bytes",
    "gauge",
    "bytes",
    "Memory of the agent (resident) and of the probe's maps in the kernel (maps).",
    ("kind",),
)
SCRAPES: Final = Family("kindling_agent_scrapes_total", "counter", "", "How often /metrics was rendered before.")
SCRAPE_SECONDS: Final = Family(
    "kindling_agent_scrape_seconds_total", "counter", "seconds", "CPU time spent in rendering /metrics."
)
SERIES: Final = Family(
    "kindling_agent_series", "gauge", "series", "Series of /metrics at the last rendering, by section.", ("section",)
)
SERIES_BUDGET: Final = Family(
    "kindling_agent_series_budget", "gauge", "series", "Series that /metrics may have: setting metrics.series."
)
SERIES_DROPPED: Final = Family(
    "kindling_agent_series_dropped_total",
    "counter",
    "",
    "Label sets that found no room: counters are added up under 'other', gauges left out.",
    ("family",),
)
STAT: Final = Family("kindling_agent_stat", "gauge", "", "Other numbers of the agent's parts, by name.", ("name",))


def _part(name: str, kind: FamilyType, unit: str, text: str) -> Family:
    return Family(f"kindling_agent_{name}", kind, unit, text)


#: Key of `Snapshot.stats` -> the family that shows it.
PART_STATS: Final = {
    "events": _part("events_total", "counter", "", "Events the probe sent: requests, failures, DNS answers."),
    "rows_expired": _part("rows_expired_total", "counter", "rows", "Rows forgotten because they were idle."),
    "rows_evicted": _part("rows_evicted_total", "counter", "rows", "Rows forgotten because there were too many."),
    "journal_failing": _part("journal_failing", "gauge", "", "1 while what a restart needs cannot be written."),
    "excluded_flows": _part("excluded_flows", "gauge", "rows", "Connections not shown: settings exclude them."),
    "excluded_ops": _part("excluded_ops", "gauge", "rows", "Operations not shown: settings exclude them."),
    "dns_names": _part("dns_names", "gauge", "", "Addresses whose name is known from DNS answers."),
    "inventory.rows": _part("inventory_rows", "gauge", "rows", "Entries of the list of external destinations."),
    "inventory.pending": _part("inventory_pending", "gauge", "rows", "Changed entries not yet written to disk."),
    "inventory.evicted": _part("inventory_evicted_total", "counter", "rows", "Entries forgotten: too many."),
    "inventory.expired": _part("inventory_expired_total", "counter", "rows", "Entries forgotten: not seen for long."),
    "inventory.broken_files": _part("inventory_broken_files_total", "counter", "", "Databases put aside as broken."),
    "inventory.writes": _part("inventory_writes_total", "counter", "", "Writes to disk."),
    "inventory.failing": _part("inventory_failing", "gauge", "", "1 while the list cannot be written to disk."),
    "inventory.write_errors": _part("inventory_write_errors_total", "counter", "", "Writes that failed."),
    "inventory.dropped": _part("inventory_dropped_total", "counter", "rows", "Changes lost: the disk failed too long."),
    "inventory.bytes_written": _part("inventory_written_bytes_total", "counter", "bytes", "Bytes written for it."),
    "inventory.write_seconds": _part("inventory_write_seconds_total", "counter", "seconds", "CPU time for that."),
    "alerts.written": _part("alerts_written_total", "counter", "", "Alerts written as JSON lines."),
    "alerts.dropped": _part("alerts_dropped_total", "counter", "", "Alerts that could not be written."),
    "webhook.sent": _part("webhook_sent_total", "counter", "", "Alerts that the webhook took."),
    "webhook.failed": _part("webhook_failed_total", "counter", "", "Attempts to reach the webhook that failed."),
    "webhook.retried": _part("webhook_retried_total", "counter", "", "Alerts sent to the webhook again."),
    "webhook.dropped": _part("webhook_dropped_total", "counter", "", "Alerts given up: queue full, or refused."),
    "webhook.pending": _part("webhook_pending", "gauge", "", "Alerts waiting for the webhook."),
    "http.connections": _part("http_connections", "gauge", "connections", "Connections to the agent's own server."),
    "http.refused": _part("http_refused_total", "counter", "requests", "Requests its server refused."),
    "http.cut": _part(
        "http_cut_total", "counter", "connections", "Connections its server cut off: too slow, too many."
    ),
    "otlp.sent": _part("otlp_sent_total", "counter", "", "Data points and spans that the OTLP collector took."),
    "otlp.failed": _part("otlp_failed_total", "counter", "", "Those it refused, whole requests of them."),
    "otlp.rejected": _part("otlp_rejected_total", "counter", "", "Those it did not take out of requests it took."),
    "otlp.retried": _part(
        "otlp_retried_total", "counter", "", "Attempts to reach the OTLP collector beyond the first."
    ),
    "otlp.dropped": _part("otlp_dropped_total", "counter", "", "Data points and spans given up: too late, queue full."),
    "otlp.pending": _part("otlp_pending", "gauge", "", "What waits to be sent to the OTLP collector."),
    "otlp.rows": _part("otlp_rows", "gauge", "rows", "Rows that are sent to the OTLP collector."),
    "otlp.overflow": _part("otlp_overflow", "gauge", "rows", "Rows added up under otel.metric.overflow."),
}

AGENT_FAMILIES: Final = (
    LOST,
    DROPS,
    BUILD_INFO,
    SINCE,
    TICKS,
    TICK_SECONDS,
    SLOTS_USED,
    SLOTS_CAPACITY,
    SLOTS_RECYCLED,
    ROWS,
    TRACE_EVICTED,
    SERIES,
    SERIES_BUDGET,
    SERIES_DROPPED,
    SCRAPES,
    SCRAPE_SECONDS,
    CPU_BY_MODE,
    MEMORY_BY_KIND,
    *PART_STATS.values(),
    *CLUSTER_FAMILIES,
    STAT,
    CPU,
    MEMORY,
    STARTED,
)
