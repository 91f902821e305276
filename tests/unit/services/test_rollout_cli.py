"""``pinwheel rollout``, ``check`` and ``promote``: what people and CI read, and exit codes."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from sqlalchemy import update

from harness.pushing import File
from harness.rolling import Rolling
from pinwheel.cli import context, main
from pinwheel.cli.backend.local import LocalBackend
from pinwheel.cli.backend.protocol import View
from pinwheel.store import tables as t

CAREFUL = """
policies:
  - {name: careful, dags: all, steps: [{check: {name: ci}}, {approve: {not: []}}, release]}
"""


class Looking(LocalBackend):
    """The keeper has a turn before each look at a rollout."""

    def __init__(self, world: Rolling) -> None:
        super().__init__(world.host, actor="ana")
        self.world = world

    def rollout(self, dag_id: str) -> View:
        self.world.turn()
        return super().rollout(dag_id)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Rolling:
    """The command line works on it; build 2 of ``a`` waits for the check *ci*."""
    made = Rolling()
    made.push(a=File())
    made.platform(CAREFUL)
    made.push(a=File(body=1))
    monkeypatch.setattr(context, "make_backend", lambda args: Looking(made))
    monkeypatch.setenv("COLUMNS", "160")
    return made


def cli(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main.main(list(words))
    said = capsys.readouterr()
    return code, said.out, said.err


def test_what_is_on_its_way_is_told_in_a_line_each(
    world: Rolling, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (("rollout",), ("rollout", "status"), ("rollout", "status", "--waiting-for", "check:ci")):
        code, out, _ = cli(capsys, *words)
        assert code == 0 and "waiting" in out and "check ci" in out
    for words in (("rollout", "--waiting-for", "person"), ("rollout", "status", "--state", "proven")):
        assert cli(capsys, *words) == (0, "Nothing is on its way.\n", "")
    code, out, _ = cli(capsys, "rollout", "-o", "json", "status", "--dag", "a")
    assert [each["dag_id"] for each in json.loads(out)] == ["a"], "what is said before the command counts"


def test_one_rollout_is_told_step_by_step(world: Rolling, capsys: pytest.CaptureFixture[str]) -> None:
    cli(capsys, "check", "set", "ci", "--dag", "a", "--build", "2", "--verdict", "passed", "-m", "all green")
    code, out, _ = cli(capsys, "rollout", "show", "a")
    assert code == 0
    lines = out.splitlines()
    assert lines[0].startswith("a rollout 1: build 2 of") and lines[0].endswith("policy careful revision 1")
    assert [line.split()[0] for line in lines[2:5]] == ["✔", "●", "○"]
    assert "waits for 1 approval" in out and "ana: ci passed: all green" in out


def test_acts_say_what_they_did_and_how_the_rollout_is_then(
    world: Rolling, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = cli(capsys, "rollout", "pause", "a", "-m", "month end", "--plan")
    assert code == 0 and "This is a plan: nothing was changed." in out and world.states() == ["waiting"]
    code, out, _ = cli(capsys, "rollout", "pause", "a", "-m", "month end")
    assert code == 0 and "a: paused." in out and "paused: pause by ana: month end" in out
    code, _, err = cli(capsys, "rollout", "approve", "a")
    assert code == 4 and "its rollout is paused" in err and "pinwheel rollout resume a" in err
    code, _, err = cli(capsys, "rollout", "skip", "a")
    assert code == 2 and "no reason is given" in err
    code, _, err = cli(capsys, "rollout", "resume", "a", "--expected-generation", "1")
    assert code == 4 and "instead of 1" in err
    assert cli(capsys, "rollout", "abort", "a", "-m", "not now")[0] == 0
    assert world.states() == ["aborted"]


def test_a_wait_ends_when_it_is_released(world: Rolling, capsys: pytest.CaptureFixture[str]) -> None:
    world.say("ci", "passed", version=world.last.place.version)
    world.turn()
    assert cli(capsys, "rollout", "approve", "a")[0] == 0
    code, out, err = cli(capsys, "rollout", "wait", "a", "--poll", "0.01")
    assert code == 0 and "released" in out and err == ""
    assert cli(capsys, "rollout", "wait", "a", "--for", "proven")[0] == 1, "nothing will ever prove it"


def test_a_wait_for_a_commit_takes_no_other_rollout_for_its(
    world: Rolling, capsys: pytest.CaptureFixture[str]
) -> None:
    world.say("ci", "passed", version=world.last.place.version)
    world.turn()
    assert cli(capsys, "rollout", "approve", "a")[0] == 0
    world.turn()
    assert world.states() == ["released"]
    wait = ("rollout", "wait", "a", "--timeout", "1s", "--poll", "0.3", "--commit")
    assert cli(capsys, *wait, world.last.place.version)[0] == 0
    coming = "c0ffee" * 6 + "beef"
    code, out, err = cli(capsys, *wait, coming)
    assert code == 3 and "has no rollout of it yet" in out and err.count("no rollout of it yet") == 1
    world.platform("policies: []")
    world.pusher.push({"a": File(body=7)}, version=coming)
    code, out, _ = cli(capsys, *wait, coming, "-o", "json")
    assert (code, json.loads(out)["state"]) == (0, "released")


def test_a_wait_waits_for_what_is_not_there_yet_and_3_means_nothing_else(
    world: Rolling, capsys: pytest.CaptureFixture[str]
) -> None:
    wait = ("--timeout", "1s", "--poll", "0.3")
    code, out, err = cli(capsys, "rollout", "wait", "typo", *wait)
    assert (code, out) == (2, "") and "Cannot wait for typo" in err and "--commit" in err
    code, out, err = cli(capsys, "rollout", "wait", "new", "--commit", "c0ffee", *wait)
    assert code == 3 and "there is no Dag new yet" in out
    world.platform("policies: []")
    world.push(new=File())
    code, out, err = cli(capsys, "rollout", "wait", "new", *wait, "-o", "json")
    assert (code, json.loads(out)["state"]) == (3, "not yet")
    assert err.splitlines() == ["new has no rollout yet"]


def test_it_is_told_why_more_approvals_are_needed_and_a_second_one_by_the_same_person_is_none(
    world: Rolling, capsys: pytest.CaptureFixture[str]
) -> None:
    world.platform("policies: [{name: eyes, dags: all, steps: [{approve: {}}, release]}]")
    world.push(a=File(body=2))
    code, out, _ = cli(capsys, "rollout", "show", "a")
    assert code == 0 and "waits for 2 approvals" in out
    assert "  nobody knows who wrote it: one more approval\n" in out and "written by" not in out
    authors = [["author", "Ada <ada@x>", "ada"], ["author", "Tom <tom@x>", None]]
    world.host.unit.run(lambda s: s.execute(update(t.rollout).values(authors=authors)))
    code, out, _ = cli(capsys, "rollout", "show", "a")
    assert "  written by Ada <ada@x>, Tom <tom@x>\n" in out
    assert "  nobody knows who is Tom <tom@x>: one more approval\n" in out
    assert "the approval is counted" in cli(capsys, "rollout", "approve", "a")[1]
    code, out, _ = cli(capsys, "rollout", "approve", "a", "-o", "json")
    assert (code, json.loads(out)["changed"]) == (0, False)
    assert json.loads(out)["message"] == "you approved it already"


def test_what_goes_on_by_itself_waits_for_nobody(world: Rolling, capsys: pytest.CaptureFixture[str]) -> None:
    cli(capsys, "rollout", "pause", "a")
    world.say("ci", "passed", version=world.last.place.version)
    code, out, _ = cli(capsys, "rollout", "resume", "a")
    assert code == 0 and "  waits for nobody: check ci passed" in out


def test_a_wait_says_by_its_exit_code_that_it_ended_otherwise_or_took_too_long(
    world: Rolling, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = cli(capsys, "rollout", "wait", "a", "--timeout", "1s", "--poll", "0.3", "-o", "json")
    assert (code, json.loads(out)["state"]) == (3, "waiting")
    assert err.splitlines() == ["a is waiting: waits for check ci"], "said once"
    world.say("ci", "failed", version=world.last.place.version)
    code, out, _ = cli(capsys, "rollout", "wait", "a", "--poll", "0.01")
    assert code == 1 and "rejected" in out


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("rollout", "wait", "a", "--timeout", "soon"), "'soon' is no duration"),
        (("rollout", "wait", "a", "--poll", "0"), "is not a number of seconds"),
        (("rollout", "status", "--waiting-for", "godot"), "waiting_for is 'godot'"),
        (("check", "set", "ci", "--verdict", "passed"), "or none"),
        (("promote", "a", "--at", "tomorrow"), "'tomorrow'"),
        (("promote", "a", "--now"), "no reason is given"),
        (("promote", "a", "--now", "--at", "2999-01-01T00:00Z"), "not allowed with argument"),
    ],
)
def test_what_can_not_be_meant_is_refused(
    world: Rolling, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], found: str
) -> None:
    code, _, err = cli(capsys, *words)
    assert code == 2 and found in err


def test_a_check_tells_what_it_was_noted_of(world: Rolling, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = cli(capsys, "check", "set", "ci", "--commit", "f" * 40, "--verdict", "passed")
    assert code == 0 and "Check ci passed of dags ffffffff." in out and "about 0 rollouts" in out
    code, out, _ = cli(capsys, "check", "set", "ci", "--digest", "d", "--verdict", "error")
    assert code == 0 and "Check ci error of digest d." in out
    code, out, _ = cli(capsys, "check", "set", "ci", "--dag", "a", "--build", "2", "--verdict", "failed")
    assert code == 0 and "of a build 2 at" in out and "about 1 rollout on" in out


def test_a_promote_at_an_instant_waits_for_it_and_shows_both_instants(
    world: Rolling, capsys: pytest.CaptureFixture[str]
) -> None:
    at = world.now() + timedelta(hours=1)
    world.say("ci", "passed", version=world.last.place.version)
    world.turn()
    cli(capsys, "rollout", "approve", "a")
    code, out, _ = cli(capsys, "promote", "a", "--at", at.isoformat())
    assert code == 0 and world.last.not_before == at
    assert f"asked for, not before {at:%Y-%m-%d %H:%M:%S} UTC" in out
    code, out, _ = cli(capsys, "rollout", "show", "a")
    assert "asked for by ana, not before" in out and world.active() == (1, 1)
    world.turn(3600)
    world.turn()
    code, out, _ = cli(capsys, "rollout", "show", "a", "-o", "json")
    shown = json.loads(out)
    assert (shown["state"], shown["not_before"]) == ("released", at.isoformat())
    assert shown["released_at"] >= shown["not_before"]


def test_a_promote_now_goes_past_the_gates(world: Rolling, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = cli(capsys, "promote", "a", "--now", "-m", "outage")
    assert code == 0 and "release 2 (build 2) is active" in out
    (event,) = world.events("promote")
    assert (event.actor, event.reason, event.overrides) == ("ana", "outage", ["policy careful"])
