"""Text that others chose (names, paths, SNI, Host), written so that the reader's program only shows it.

Every way out of Kindling has a function here; labels of metrics have theirs in `kindling.export.text`.
"""

from __future__ import annotations

import re
from typing import Final

from kindling.model.printable import printable

#: What makes a spreadsheet take a cell for a formula, at its start:
#: https://owasp.org/www-community/attacks/CSV_Injection (the wide forms are taken for the narrow ones).
_FORMULA: Final = frozenset("=+-@\t\r\n|%＝＋－＠")  # noqa: RUF001 -- wide forms on purpose
#: The same within a cell: where numbers have a decimal comma, a spreadsheet parts cells at semicolons, quoted or not.
_INNER_FORMULA: Final = re.compile(r";['\" ]*(?=[=+\-@|%＝＋－＠])")  # noqa: RUF001 -- as above

#: What CommonMark and GitHub's tables, links, mentions and HTML act upon within a line.
_MARKDOWN: Final = re.compile(r"[\\`*_\[\]<>|~$@&#]|:(?=//)|(?<=\bwww)\.", re.IGNORECASE)


def terminal(text: str) -> str:
    """One line without anything a terminal acts upon: control characters, escapes, bidi overrides."""
    if text.isascii() and text.isprintable():
        return text
    return printable(text)


def csv_text(text: str) -> str:
    """Content of a CSV cell, before the csv module quotes it. An apostrophe stands before what a
    spreadsheet would compute.
    """
    shown = _INNER_FORMULA.sub(r"\g<0>'", terminal(text))
    stripped = shown.lstrip(" ")
    return f"'{shown}" if stripped and (text[:1] in _FORMULA or stripped[0] in _FORMULA) else shown


def markdown(text: str) -> str:
    """A cell of a Markdown table: no markup, no HTML, no link, no line break."""
    return _MARKDOWN.sub(r"\\\g<0>", terminal(text))
