"""Commands as users type them; an agent of fixed answers on the other side."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest

import kindling
from kindling.cli import main as entry
from kindling.cli.main import COMMANDS, run
from kindling.errors import KindlingError, PrivilegeError, UnsupportedError, VerifierError
from kindling.export.tables import TABLES

CAPTURES = Path(__file__).parents[2] / "captures"
CLOSED = "http://127.0.0.1:1"


@pytest.mark.parametrize("name", TABLES)
def test_each_table_is_a_command(name: str, url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([name, "--url", url]) == 0
    out = capsys.readouterr().out
    assert "4 lost" in out
    assert "gap since" in out
    assert "\033" not in out


def test_a_table_stops_at_fifty_and_says_so(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["flows", "--url", url]) == 0
    out = capsys.readouterr().out
    assert "10 more rows: --limit 0 shows all" in out
    assert "older than the agent" in out


def test_json_has_everything(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["flows", "--url", url, "--output", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert len(document["rows"]) == document["total"] == 60
    assert document["coverage"]["lost"] == 4


def test_limit_and_sort(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["flows", "--url", url, "--output", "json", "--limit", "2", "--sort", "-opened"]) == 0
    assert [row["opened"] for row in json.loads(capsys.readouterr().out)["rows"]] == [1, 2]


@pytest.mark.parametrize("command", ["flows", "external", "events"])
def test_filters_that_nothing_fits(command: str, url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([command, "--url", url, "--workload", "nobody", "--limit", "3"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("Nothing fits the filters.\n")
    assert "was seen yet" not in out


@pytest.mark.parametrize("arguments", [["flows"], ["flows", "-o", "json"], ["events", "-o", "csv"], ["--help"]])
def test_a_full_disk_is_told(arguments: list[str], url: str) -> None:
    environment = {**os.environ, "KINDLING_URL": url}
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "kindling.cli", *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            check=False,
        )
    assert done.stderr == "kindling: The output cannot be written: no space left on device.\n"
    assert done.returncode == 1


def test_without_an_agent(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["flows", "--url", CLOSED]) == 5
    err = capsys.readouterr().err
    assert "No agent answers at http://127.0.0.1:1 (connection refused)" in err
    assert "kindling agent" in err


@pytest.mark.parametrize("bad", ["x", "ftp://host", "http://", "http://host:port", "http://[::1"])
def test_bad_addresses(bad: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["flows", "--url", bad]) == 2
    assert "is not the address of an agent" in capsys.readouterr().err


def test_the_agents_refusal_is_shown(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["flows", "--url", url, "--sort", "colour"]) == 2
    assert "cannot be sorted" in capsys.readouterr().err


def test_unknown_commands_and_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["fly"]) == 2
    assert run(["flows", "--fast"]) == 2
    assert run(["flows", "--limit", "-1"]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert kindling.__version__ in capsys.readouterr().out


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(f"  {name} " in out for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_teaches_by_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip(f"kindling.cli.{name}")
    assert run([name, "--help"]) == 0
    assert f"  kindling {name}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("error", "code"),
    [(KindlingError("no"), 1), (PrivilegeError("no"), 3), (UnsupportedError("no"), 4)],
)
def test_errors_become_messages(
    error: KindlingError, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run_failing(error, monkeypatch) == code
    assert capsys.readouterr().err.startswith("kindling: no\n")


def test_the_verifiers_last_words_are_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log = "\n".join(f"line {n}" for n in range(100))
    assert _run_failing(VerifierError("egress", "permission denied", log), monkeypatch) == 4
    err = capsys.readouterr().err
    assert "line 99" in err
    assert "line 50" not in err


def _run_failing(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> int:
    @click.command()
    def failing() -> None:
        raise error

    monkeypatch.setattr(entry.Commands, "get_command", lambda *_: failing)
    return run(["flows"])


def test_interrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _run_failing(KeyboardInterrupt(), monkeypatch) == 130


# --- replay -----------------------------------------------------------------------------------


def replay(*arguments: str) -> int:
    pytest.importorskip("kindling.capture.replay")
    return run(["replay", *arguments])


def test_replay_shows_every_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert replay(str(CAPTURES / "http_get.pcap")) == 0
    out = capsys.readouterr().out
    assert all(table.title in out for table in TABLES.values())
    assert "GET /index.html" in out
    assert out.rstrip().endswith("0 lost")


def test_replay_gives_the_records_of_the_api(capsys: pytest.CaptureFixture[str], url: str) -> None:
    assert run(["requests", "--url", url, "--output", "json"]) == 0
    live = json.loads(capsys.readouterr().out)["rows"][0]
    assert replay(str(CAPTURES / "http_get.pcap"), "--output", "json") == 0
    document = json.loads(capsys.readouterr().out)
    assert set(document) == {*TABLES, "events", "coverage"}
    assert set(document["requests"][0]) == set(live) - {"id"}
    assert {row["count"] for row in document["requests"]} == {1}


def test_replay_of_one_protocol(capsys: pytest.CaptureFixture[str]) -> None:
    assert replay(str(CAPTURES / "dns_a.pcap"), "--protocol", "http", "--output", "json") == 0
    assert not json.loads(capsys.readouterr().out)["flows"]
    assert replay(str(CAPTURES / "dns_a.pcap"), "--protocol", "gopher") == 2
    assert "http" in capsys.readouterr().err


def test_replay_of_a_truncated_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = (CAPTURES / "http_get.pcap").read_bytes()
    cut = tmp_path / "cut.pcap"
    cut.write_bytes(whole[: len(whole) - 7])
    assert replay(str(cut)) == 2
    captured = capsys.readouterr()
    assert "GET /index.html" in captured.out
    assert "ends in the middle of a record" in captured.err


def test_replay_of_what_is_no_capture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert replay(str(tmp_path / "absent")) == 2
    assert replay(__file__) == 2
    captured = capsys.readouterr()
    assert not captured.out
    assert "no capture file" in captured.err


def test_replay_takes_the_filters_of_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    def rows(*options: str) -> list[dict[str, Any]]:
        assert replay(str(CAPTURES / "http_errors.pcap"), "--table", "requests", "-o", "json", *options) == 0
        found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["requests"]
        return found

    everything = rows()
    assert {row["role"] for row in everything} == {"client", "server"}
    assert rows("--role", "server") == [row for row in everything if row["role"] == "server"]
    assert rows("--port", str(everything[0]["port"])) == everything
    assert not rows("--port", "1")
    assert not rows("--since", "1h")
    assert rows("--until", "1h") == everything
    assert [row["status"] for row in rows("--sort", "status", "--limit", "1")] == [min(r["status"] for r in everything)]


def test_replay_of_one_table(capsys: pytest.CaptureFixture[str]) -> None:
    file = str(CAPTURES / "http_errors.pcap")
    assert replay(file, "--table", "flows", "-o", "csv") == 0
    assert capsys.readouterr().out.startswith("workload,")
    assert replay(file, "--table", "events") == 0
    assert "WHY" in capsys.readouterr().out
    assert replay(file, "-o", "ndjson") == 0
    assert {json.loads(line)["table"] for line in capsys.readouterr().out.splitlines()} >= {"flows", "events"}


@pytest.mark.parametrize("options", [["-o", "csv"], ["--sort", "colour"], ["--table", "dns", "--sort", "opened"]])
def test_replay_says_what_does_not_go_together(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert replay(str(CAPTURES / "http_get.pcap"), *options) == 2
    assert "--table" in (err := capsys.readouterr().err) or "--sort" in err


# --- filters, as the agent is asked -----------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "ports"),
    [
        (["--port", "1003", "--port", "1001"], [1003, 1001]),
        (["-w", "cur*", "-p", "1003"], [1003]),
        (["--workload", "nginx"], []),
        (["--destination", "EXAMPLE.*", "--port", "1003"], [1003]),
        (["--destination", "93.184.0.0/16", "--port", "1003"], [1003]),
        (["--protocol", "udp"], []),
        (["--role", "server"], []),
        (["--search", "ample.or", "--port", "1003"], [1003]),
        (["--since", "1709640058"], [1059, 1058]),
    ],
)
def test_filters(options: list[str], ports: list[int], url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["flows", "--url", url, "-o", "json", *options]) == 0
    assert [row["port"] for row in json.loads(capsys.readouterr().out)["rows"]] == ports


@pytest.mark.parametrize("options", [["--destination", "10.0.0.0/99"], ["--protocol", "gopher"], ["--role", "king"]])
def test_filters_that_are_none(options: list[str], url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["flows", "--url", url, *options]) == 2
    assert not capsys.readouterr().out


# --- as a process -----------------------------------------------------------------------------

KINDLING = [sys.executable, "-m", "kindling.cli"]


def test_a_reader_that_has_seen_enough(url: str) -> None:
    with subprocess.Popen([*KINDLING, "flows", "--url", url, "-o", "json"], stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.read(1)
        process.stdout.close()
        assert process.wait(20) == 0


def test_a_terminal_that_is_not_unicode(url: str) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "iso8859-2", "KINDLING_URL": url}
    shown = subprocess.run([*KINDLING, "events"], env=environment, capture_output=True, check=False)
    assert (shown.returncode, shown.stderr) == (0, b"")
    assert rb"250 \xb5s" in shown.stdout


def test_asking_imports_nothing_heavy(url: str) -> None:
    code = "import sys; from kindling.cli.main import run; run(['flows']); print(*sys.modules, file=sys.stderr)"
    shown = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "KINDLING_URL": url},
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(shown.stderr.split())
    assert "kindling.cli.show" in loaded
    assert not loaded & {"numpy", "starlette", "uvicorn", "httpx", "msgspec", "asyncio", "sqlite3", "wcwidth", "curses"}
    assert not [
        name for name in loaded if name.startswith(("kindling.capture", "kindling.table", "kindling.protocols"))
    ]
