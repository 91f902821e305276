"""``pinwheel timeline``: what people read, and exit codes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from harness.dated import Dated
from harness.in_memory import InMemory
from harness.pushing import File
from pinwheel.cli import context, main
from pinwheel.cli.backend.local import LocalBackend
from pinwheel.core.errors import Refused
from pinwheel.core.structure.windows import Segment
from pinwheel.services.show.plain import plain
from pinwheel.services.timeline import change, clear_runs
from pinwheel.store import dags, segments


@pytest.fixture
def dated(world: InMemory, monkeypatch: pytest.MonkeyPatch) -> Dated:
    made = Dated(world)

    class Backend(LocalBackend):
        def change_timeline(self, request: Any) -> Any:
            world.airflow.tick(60)
            return plain(change.change(self.host, request, actor=self.actor, sleep=made.looking))

    monkeypatch.setattr(context, "make_backend", lambda args: Backend(world.host, actor="ana"))
    monkeypatch.delenv("COLUMNS", raising=False)
    return made


def cli(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    code = main.main(["timeline", *words])
    said = capsys.readouterr()
    return code, said.out + said.err


def cannot(*args: Any, **more: Any) -> Any:
    raise Refused("Cannot clear it", found="its rows are gone", remedy="Leave it")


def test_eras_are_set_shown_checked_and_cleared_in_words(
    dated: Dated, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = dated.world
    for day, build in (("2019-05-01", None), ("2021-05-01", None), ("2019-06-01", 2)):
        at = datetime.fromisoformat(day).replace(tzinfo=UTC)
        world.trigger(f"manual__{day}", logical_date=at, build=build)
        world.finish(f"manual__{day}")
    code, said = cli(
        capsys, "set", "a", "--until", "2020-01-01", "--build", "1", "--plan", "-m", "on premise"
    )
    assert code == 0
    assert "Would make revision 1 of the timeline of a:" in said
    assert "… → 2020-01-01: the active release → build 1 at" in said
    assert "2 runs in these dates, 1 on another build than that of its date; no queued run." in said
    assert "Note: workers may have other images" in said
    assert "This is a plan: nothing was changed." in said
    code, said = cli(capsys, "set", "a", "--until", "2020-01-01", "--build", "1", "-m", "on premise")
    assert (code, "Made revision 1" in said) == (0, True)
    code, said = cli(capsys, "show", "a")
    assert said.splitlines()[0] == "a · UTC · by data interval start · revision 1 since 2026-01-05 by ana"
    assert "  …          → 2020-01-01  build 1  " in said
    assert '"on premise"    2 runs, 0 match, 1 ran on build 2, 1 by hand' in said
    assert "2020-01-01 → …           gap: the active release, now build 2    1 run" in said
    code, said = cli(capsys, "check", "a")
    assert code == 3
    assert "3 runs: 1 match, 1 do not" in said
    assert "manual__2019-05-01 ran on build 2, would run on build 1" in said
    assert "1 run on a build that somebody chose" in said
    code, said = cli(capsys, "check", "a", "--clear", "--plan")
    assert (code, "Would clear 1 run of a, 1 task instance:" in said) == (3, True)
    with monkeypatch.context() as patch:
        patch.setattr(clear_runs, "_clear", cannot)
        code, said = cli(capsys, "check", "a", "--clear")
    assert (code, "Note: left manual__2019-05-01: its rows are gone." in said) == (3, True)
    code, said = cli(capsys, "check", "a", "--clear")
    assert (code, "Cleared 1 run of a, 1 task instance:" in said) == (0, True)
    assert "manual__2019-05-01 ran on build 2, runs again on build 1" in said
    code, said = cli(capsys, "check", "a")
    assert code == 0


def test_tasks_that_have_no_place_at_some_dates_are_named(
    dated: Dated, capsys: pytest.CaptureFixture[str]
) -> None:
    edge = datetime(2020, 1, 1, tzinfo=UTC)
    late = frozenset(f"late_{n}" for n in range(7))

    def work(session: Any) -> None:
        build_id = dags.rows(session, ["a"])["a"].active_build_id
        assert build_id is not None
        found = [
            Segment(None, late),
            Segment(edge, frozenset()),
            Segment(edge.replace(hour=6), frozenset("x")),
        ]
        segments.add(session, "a", build_id, found)

    dated.host.unit.run(work)
    code, said = cli(capsys, "show", "a")
    assert code == 0
    assert said.splitlines()[-3:] == [
        "Tasks of the active build that have no place at some dates:",
        "  …                → 2020-01-01  without late_0, late_1, late_2, late_3, late_4 and 2 more",
        "  2020-01-01T06:00 → …           without x",
    ]


def test_a_date_is_answered_and_the_history_is_told(dated: Dated, capsys: pytest.CaptureFixture[str]) -> None:
    cli(capsys, "set", "a", "--from", "2019-01-01", "--build", "1", "-m", "first attempt")
    cli(capsys, "set", "a", "--from", "2019-01-01", "--build", "2")
    _, said = cli(capsys, "show", "a", "--at", "2019-05")
    assert said == "build 2 (revision 2, 2026-01-05, ana)\n"
    _, said = cli(capsys, "show", "a", "--at", "2019-05", "--as-of", "2000-01-01")
    assert said == "the active release (there was no timeline); today build 2\n"
    _, said = cli(capsys, "show", "a", "--as-of", "2000-01-01")
    assert said == "a · UTC · as of 2000-01-01: no timeline\n  … → …  gap: the active release\n"
    _, said = cli(capsys, "show", "a", "--as-of", "2099-01-01")
    assert said.startswith("a · UTC · as of 2099-01-01: revision 2 since 2026-01-05 by ana\n")
    assert "2019-01-01 → …           build 2" in said
    _, said = cli(capsys, "history", "a")
    assert said.count("revision ") == 2
    assert 'set by ana: "first attempt"' in said
    _, said = cli(capsys, "unset", "a", "--all")
    assert "2019-01-01 → …: build 2 → the active release" in said


def test_a_repeat_prints_what_the_first_one_gave(dated: Dated, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("set", "a", "--until", "2020-01-01", "--build", "1", "--request-id", "deploy-1")
    _, first = cli(capsys, *words)
    code, again = cli(capsys, *words)
    assert (code, first.splitlines()[0]) == (0, "Made revision 1 of the timeline of a:")
    assert again.splitlines() == [
        "Made revision 1 of the timeline of a (this request was carried out before):",
        *first.splitlines()[1:],
    ]
    _, said = cli(capsys, "set", "a", "--until", "2020-01-01", "--build", "1")
    assert said == "Nothing to change in the timeline of a: the timeline says so already.\n"


@pytest.mark.parametrize(
    ("words", "code", "found"),
    [
        (["set", "a", "--from", "2019-01-01"], 2, "neither a build nor a bundle version is given"),
        (["set", "a", "--from", "zzz", "--build", "1"], 2, "Cannot read 'zzz' as a date"),
        (["set", "a", "--build", "9"], 3, "has no good build of that number"),
        (["set", "a", "--build", "1", "--expected-revision", "7"], 4, "its newest revision is 0, not 7"),
        (["unset", "a"], 2, "neither dates nor --all are given"),
        (["unset", "a", "--all", "--from", "2019-01-01"], 2, "dates and --all are given"),
        (["show", "nope"], 3, "Cannot find Dag nope"),
        (["unset", "a", "--from", "2020", "--until", "2019"], 2, "Cannot unset 2020 → 2019: it ends before"),
        (["unset", "a", "--from", "zzz"], 2, "Cannot unset zzz → …: Cannot read 'zzz' as a date"),
        (["set", "a", "--from", "2020", "--until", "2019", "--build", "1"], 2, "Cannot set 2020 → 2019 on b"),
        (["unset", "a", "--from", ""], 2, "Cannot read the dates of an era: from is empty"),
        (["set", "a", "--until", "2" * 101, "--build", "1"], 2, "until has 101 letters"),
        (["check", "a", "--plan"], 2, "Cannot check the timeline of a: --plan goes with --clear"),
        (["check", "a", "--request-id", "k"], 2, "--request-id goes with --clear"),
        (["check", "a", "-m", "why"], 2, "--reason goes with --clear"),
    ],
)
def test_a_no_has_its_reason_and_its_exit_code(
    dated: Dated, capsys: pytest.CaptureFixture[str], words: list[str], code: int, found: str
) -> None:
    got, said = cli(capsys, *words)
    assert (got, found in said) == (code, True), said


def test_a_check_names_sensors_of_other_dags_that_wait_in_vain(
    dated: Dated, capsys: pytest.CaptureFixture[str]
) -> None:
    dated.world.push(a=File(tasks=("only", "new")), b=File(sensor=("a", "new")))
    dated.set(None, "2020-01-01", build=1)
    code, said = cli(capsys, "check", "a")
    assert code == 0, "no run is wrong"
    assert "Sensors that wait until their timeout where the data is of these dates:" in said
    assert "  b: wait waits for new    … → 2020-01-01" in said
