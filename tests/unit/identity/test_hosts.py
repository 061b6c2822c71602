from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from kindling.config import NameSettings, StaticName
from kindling.identity.hosts import StaticNames, parse_hosts

HOSTS = """\
127.0.0.1 localhost
127.0.1.1 this-host
::1 ip6-localhost
0.0.0.0 ads.example
10.0.0.5  DB.Example. db   # the database
10.0.0.5 other.example
2001:0DB8::5 six.example
::ffff:10.0.0.6 mapped.example
10.0.0.7
10.0.0.8 \x1b[2J
nonsense name
"""


def test_hosts_file() -> None:
    assert parse_hosts(HOSTS) == {
        "10.0.0.5": "db.example",
        "2001:db8::5": "six.example",
        "10.0.0.6": "mapped.example",
        "10.0.0.8": "\\x1b[2j",
    }


@given(st.text())
def test_any_text(text: str) -> None:
    assert all(name.isprintable() and address for address, name in parse_hosts(text).items())


def test_settings_before_the_file(tmp_path: Path) -> None:
    file = tmp_path / "hosts"
    file.write_text(HOSTS)
    settings = NameSettings(static=(StaticName("Mine.Example.", ("10.0.0.5", "2001:DB8::0:9")),))
    names = StaticNames(settings, file)
    assert names.name("10.0.0.5") == "mine.example"
    assert names.name("2001:db8::9") == "mine.example"
    assert names.name("10.0.0.6") == "mapped.example"
    assert names.name("10.0.0.9") == ""
    assert len(StaticNames(NameSettings(hosts=False), file)) == 0


def test_read_again_when_it_changed(tmp_path: Path) -> None:
    file = tmp_path / "hosts"
    names = StaticNames(path=file)

    def changed() -> set[str]:
        names.read()
        return names.take_changed()

    assert changed() == set()
    file.write_text("10.0.0.5 a.example\n10.0.0.6 b.example\n")
    assert changed() == {"10.0.0.5", "10.0.0.6"}
    assert changed() == set()
    file.write_text("10.0.0.5 a.example\n10.0.0.6 another.example\n")
    assert changed() == {"10.0.0.6"}
    file.unlink()
    assert changed() == {"10.0.0.5", "10.0.0.6"}
    assert names.name("10.0.0.5") == ""


def test_a_block_list_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "hosts"
    file.write_text("10.0.0.5 a.example\n" * 60_000)
    assert len(StaticNames(path=file)) == 0
