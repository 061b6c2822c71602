"""The durable list of what this host reaches outside itself.

Snapshot ──observe──▶ Recorder ──rows that changed──▶ Writer (a thread) ──▶ Store ──▶ inventory.db
                         ▲                              │
                         └── Novelty, answers ◀─────────┘
"""

from kindling.inventory.novelty import Novelty, NoveltyKind
from kindling.inventory.recorder import Recorder

__all__ = ["Novelty", "NoveltyKind", "Recorder"]
