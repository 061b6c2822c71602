"""The tables of `inventory.db`, version by version.

A file of an older version is brought up step by step, each in a transaction of its own; released steps never change.
Times are unix seconds, days are days since 1970-01-01 (UTC).
"""

from __future__ import annotations

from typing import Final

from kindling.inventory.counters import COUNTERS, TOTALS

#: "KNDL", in the file's header: `file inventory.db` shows it.
APPLICATION_ID: Final = 0x4B4E444C

_COUNTERS: Final = ",\n    ".join(f"{name} INTEGER NOT NULL" for name in COUNTERS)
_TOTALS: Final = ",\n    ".join(f"{name} INTEGER NOT NULL" for name in TOTALS)

_VERSION_1: Final = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID",
    # `details` is a JSON object: what is shown of a workload and does not tell it from another
    """CREATE TABLE workload (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    container TEXT NOT NULL,
    details TEXT NOT NULL,
    UNIQUE (kind, namespace, name, container)
)""",
    # what never or seldom changes; `destination` is a name, or an address where no name is known;
    # `addresses` are separated by spaces, the newest last
    """CREATE TABLE entry (
    id INTEGER PRIMARY KEY,
    workload INTEGER NOT NULL REFERENCES workload,
    destination TEXT NOT NULL,
    port INTEGER NOT NULL,
    transport TEXT NOT NULL,
    protocol TEXT NOT NULL,
    scope TEXT NOT NULL,
    named INTEGER NOT NULL,
    evidence TEXT NOT NULL,
    inferred INTEGER NOT NULL,
    first_seen REAL NOT NULL,
    addresses TEXT NOT NULL,
    more_addresses INTEGER NOT NULL,
    UNIQUE (workload, destination, port, transport, protocol, scope)
)""",
    # what changes all the time: narrow rows, so that a write touches few pages
    f"""CREATE TABLE tally (
    entry INTEGER PRIMARY KEY REFERENCES entry,
    last_seen REAL NOT NULL,
    tls_version TEXT NOT NULL,
    alpn TEXT NOT NULL,
    {_COUNTERS}
)""",
    # entry 0: what was forgotten to stay within the bound
    f"""CREATE TABLE daily (
    day INTEGER NOT NULL,
    entry INTEGER NOT NULL,
    {_COUNTERS},
    PRIMARY KEY (day, entry)
) WITHOUT ROWID""",
    # totals of each live row that are contained in `tally` already; `row` is a hash (kindling.inventory.identity)
    f"""CREATE TABLE applied (
    row INTEGER PRIMARY KEY,
    entry INTEGER NOT NULL,
    seen REAL NOT NULL,
    {_TOTALS}
)""",
    # times without a gap in which everything was counted; `lost`: two JSON objects, cause -> count, of the agents
    # before and of the one that writes
    """CREATE TABLE watch (
    id INTEGER PRIMARY KEY,
    boot TEXT NOT NULL,
    run TEXT NOT NULL,
    since REAL NOT NULL,
    until REAL NOT NULL,
    lost TEXT NOT NULL
)""",
)

_VERSION_2: Final = (
    "ALTER TABLE entry ADD COLUMN network TEXT NOT NULL DEFAULT ''",
    # what is new and was not handed out yet: a JSON object each
    "CREATE TABLE news (id INTEGER PRIMARY KEY, novelty TEXT NOT NULL)",
    """CREATE TABLE told (
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    time REAL NOT NULL,
    PRIMARY KEY (kind, key)
) WITHOUT ROWID""",
)

#: MIGRATIONS[v] makes version v + 1 out of version v; 0 is an empty file.
MIGRATIONS: Final = (_VERSION_1, _VERSION_2)
VERSION: Final = len(MIGRATIONS)
