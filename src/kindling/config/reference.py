"""docs/configuration.md, made of the settings themselves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING
from typing import Any, Final

from kindling.config.reload import is_live
from kindling.config.schema import Field, choices, fields_of, is_section, item_type, type_text
from kindling.config.settings import Settings
from kindling.config.show import flow

_HEAD: Final = """\
# Configuration

*This page is printed by `kindling config reference`; a test keeps it so.*

Settings come from a YAML file, `/etc/kindling/kindling.yaml` or the one that `kindling agent --config FILE` names.
Everything has a default: without a file the agent runs. An environment variable overrides the file, a flag overrides
both. The variable of `section.field` is `KINDLING_SECTION_FIELD`; lists are separated by commas, or written in YAML:
`[a, b]`.

    kindling config check FILE    every problem with its line, exit code 2
    kindling config show          what the agent would use here, and where each setting comes from

Durations are seconds, or `500ms`, `30s`, `5m`, `2h`, `7d`. An empty path is no file.

SIGHUP (`systemctl reload`) reads file and flags again. Settings marked **live** change at once; for others the agent
says that a restart is needed. With a broken file the old settings stay, and the agent says why. Files that hold secrets
are read again by themselves.

## An example

```yaml
listen: 0.0.0.0:9500
server:
  token_file: /etc/kindling/token
names:
  networks:
    - {cidr: 10.20.0.0/16, label: office}
alerts:
  allow:
    - {destination: "*.debian.org"}
  lines:
    path: /var/log/kindling/alerts.json
  webhook:
    url: https://alerts.example.org/kindling
    secret_file: /etc/kindling/webhook.secret
```
"""


def reference() -> str:
    """The page."""
    return _HEAD + "".join(_section(Settings, (), "General"))


def _section(cls: type, path: tuple[str, ...], title: str) -> Iterator[str]:
    known = fields_of(cls)
    plain = [field for field in known.values() if not is_section(field.type)]
    text = " ".join((cls.__doc__ or "").split()).removesuffix(".")
    yield f"\n## {title}\n"
    if path:
        yield f"\n{text}.\n"
    if plain:
        yield "\n| setting | type | default | |\n|---|---|---|---|\n"
    for field in plain:
        yield _row(field, ".".join((*path, field.name)))
    for field in plain:
        item = item_type(field.type)
        if is_section(item):
            yield f"\n### Each of `{'.'.join((*path, field.name))}`\n\n"
            yield f"{' '.join((item.__doc__ or '').split())}\n\n| field | type | default | |\n|---|---|---|---|\n"
            for part in fields_of(item).values():
                yield _row(part, part.name)
    for field in known.values():
        if is_section(field.type):
            below = (*path, field.name)
            yield from _section(field.type, below, f"`{'.'.join(below)}`")


def _row(field: Field, name: str) -> str:
    default = "" if field.default is MISSING else flow(field.default)
    shown = f"`{default}`" if default not in {"", '""'} else ""
    live = "**live** " if is_live(name) else ""
    text = field.text.replace("|", "\\|")
    return f"| `{name}` | {_type(field.name, field.type)} | {shown} | {live}{text} |\n"


def _type(name: str, kind: Any) -> str:
    options = choices(kind)
    return " or ".join(f"`{each}`" for each in options if each) if options else type_text(name, kind)
