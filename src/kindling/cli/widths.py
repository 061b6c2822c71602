"""How many cells of a terminal a text takes, and cutting it to fewer."""

from __future__ import annotations

from textwrap import wrap

ELLIPSIS = "…"


def display_width(text: str) -> int:
    """Cells of a terminal: wide characters take two, combining ones none."""
    return len(text) if text.isascii() else sum(width for _, width in _clusters(text))


def cut(text: str, width: int, *, keep_end: bool = False) -> str:
    """At most `width` cells; an ellipsis stands for what is missing at the end, or in the middle."""
    if display_width(text) <= width:
        return text
    if width < 1:
        return ""
    clusters = _clusters(text)
    end = _fitting(clusters[::-1], (width - 1) // 2)[::-1] if keep_end else []
    start = _fitting(clusters, width - 1 - sum(cells for _, cells in end))
    return "".join((*(shown for shown, _ in start), ELLIPSIS, *(shown for shown, _ in end)))


def padded(text: str, width: int, *, right: bool = False) -> str:
    """Filled up with blanks; `right` puts the text at the right."""
    padding = " " * (width - display_width(text))
    return padding + text if right else text + padding


def wrapped(line: str, width: int | None, indent: int = 2) -> list[str]:
    """A line as several that fit, the later ones indented; None: as it is. For sentences of ours: they are ASCII."""
    if width is None or len(line) <= width:
        return [line]
    indent = indent if indent <= width // 2 else 2
    return wrap(line, max(width, indent + 1), subsequent_indent=" " * indent)


def _clusters(text: str) -> list[tuple[str, int]]:
    """What a terminal draws as one character (a base and its combining marks), and its cells."""
    if text.isascii():
        return [(c, 1) for c in text]
    from wcwidth import iter_graphemes, wcswidth  # a millisecond per table of these, not one for those without

    return [(cluster, max(0, wcswidth(cluster))) for cluster in iter_graphemes(text)]


def _fitting(clusters: list[tuple[str, int]], width: int) -> list[tuple[str, int]]:
    for i, (_, cells) in enumerate(clusters):
        width -= cells
        if width < 0:
            return clusters[:i]
    return clusters
