"""``pinwheel freeze`` and ``pinwheel windows``: what people read, and exit codes."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from harness.in_memory import InMemory
from pinwheel.cli import context, main
from pinwheel.cli.backend.local import LocalBackend
from pinwheel.core.release.rule import Rule
from pinwheel.core.rollout.window import Deny, Hours, Window
from pinwheel.store import rules


@pytest.fixture
def world(three: InMemory, monkeypatch: pytest.MonkeyPatch) -> InMemory:
    """The command line works on it; times are shown in UTC."""
    monkeypatch.setattr(context, "make_backend", lambda args: LocalBackend(three.host, actor="ana"))
    monkeypatch.setenv("COLUMNS", "160")
    return three


def cli(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    code = main.main(list(words))
    said = capsys.readouterr()
    return code, said.out + said.err


def test_dags_are_frozen_listed_and_thawed_in_words(
    world: InMemory, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("a", "b", "--until", "2999-12-31T18:00+01:00", "-m", "the warehouse is down")
    code, said = cli(capsys, "freeze", "set", *asked, "--override", "on-call", "--plan")
    assert code == 0 and "Would freeze from" in said and "2 Dags (a, b)." in said
    assert "This is a plan: nothing was changed." in said
    code, said = cli(capsys, "freeze", "set", *asked, "--override", "on-call")
    assert code == 0 and "Frozen from" in said and "It can be overridden by on-call only." in said
    assert "Lift it with: pinwheel freeze lift freeze-1 --reason …" in said
    code, said = cli(capsys, "freeze", "list")
    assert code == 0 and "freeze-1" in said and "a, b" in said and "2999" in said and "ana" in said
    assert "the warehouse is down" in said
    code, said = cli(capsys, "freeze", "lift", "freeze-1", "-m", "it is back")
    assert (code, said) == (0, "Lifted freeze-1: it held 2 Dags (a, b).\n")
    assert cli(capsys, "freeze", "list") == (0, "Nothing is frozen.\n")
    code, said = cli(capsys, "freeze", "lift", "freeze-1", "-m", "again")
    assert code == 3 and "See those that there are: pinwheel freeze list." in said


def test_a_repeated_freeze_or_lift_says_that_it_was_done_before(
    world: InMemory, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (
        ("freeze", "set", "--all", "-m", "outage", "--request-id", "k"),
        ("freeze", "lift", "freeze-1", "-m", "it is over", "--request-id", "l"),
    ):
        assert cli(capsys, *words)[0] == 0
        code, said = cli(capsys, *words)
        assert (code, said) == (0, "freeze-1 is unchanged: this request was carried out before.\n")


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("freeze", "set", "a"), "the following arguments are required: -m/--reason"),
        (("freeze", "lift", "freeze-1"), "the following arguments are required: -m/--reason"),
        (("freeze", "set", "-m", "x"), "no Dag is named"),
        (
            ("freeze", "set", "a", "-m", "x", "--until", "2999-12-31T18:00"),
            "it is no date and time with an offset. Write it as 2026-12-20T18:00+01:00",
        ),
        (("windows", "a", "--at", "tomorrow"), "it is no date and time with an offset"),
        (("freeze", "a"), "pinwheel freeze has no command a"),
    ],
)
def test_what_is_not_said_well_is_refused_in_words(
    world: InMemory, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], found: str
) -> None:
    code, said = cli(capsys, *words)
    assert code == 2 and found in " ".join(said.split())


def test_windows_are_told_in_words(world: InMemory, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli(capsys, "windows", "a") == (0, "a is open now.\n")
    night = Rule(name="night", body=Deny((Window(zone="UTC", hours=(Hours(22 * 60, 6 * 60),)),)))
    at = datetime(2026, 1, 1, tzinfo=UTC)
    world.host.unit.run(lambda s: rules.add(s, [night], document="office", actor="pat", reason=None, now=at))
    code, said = cli(capsys, "windows", "a", "--at", "2026-03-02T23:00+00:00")
    assert code == 0 and "a is closed at " in said
    assert ": closed 22:00-06:00 (UTC) (rule night).\nIt opens at " in said
    assert "office" in said
    code, said = cli(capsys, "windows", "a", "--at", "2026-03-02T12:00+00:00")
    assert code == 0 and "a is open at " in said and "It closes at " in said
    cli(capsys, "freeze", "set", "a", "-m", "outage")
    code, said = cli(capsys, "windows", "a")
    assert code == 0 and "It does not open by itself within two years." in said


def test_programs_get_the_views(world: InMemory, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = cli(capsys, "freeze", "set", "--dag-glob", "?", "-m", "outage", "-o", "json")
    made = json.loads(said)["freeze"]
    assert (code, made["name"], made["selector"]["globs"], made["dags"]) == (0, "freeze-1", ["?"], 3)
    assert json.loads(cli(capsys, "freeze", "list", "-o", "json")[1]) == [made]
    found = json.loads(cli(capsys, "windows", "a", "-o", "json")[1])
    assert (found["open"], found["next_opening"]) == (False, None)
    assert [limit["rule"] for limit in found["limits"]] == ["freeze-1"]
