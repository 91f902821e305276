"""Which releases can still be fetched: those say so, their versions are protected, and they roll back."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from harness.asked import clear, trigger
from harness.bundle_fixtures import Repository
from harness.bundle_fixtures import storage as storage
from harness.inprocess import stock_run
from harness.prebuilt import Prebuilt, Text
from integration.test_parsed_again import Clock
from integration.test_pruning import changed, clean
from pinwheel.cli import context, main
from pinwheel.cli.backend.local import LocalBackend
from pinwheel.core.errors import Refused
from pinwheel.core.release.decide import Verb
from pinwheel.services.release import keeping
from pinwheel.services.show import builds as show


@pytest.fixture
def pusher(airflow_database: Any, monkeypatch: pytest.MonkeyPatch) -> Prebuilt:
    monkeypatch.setenv("AIRFLOW__PINWHEEL__KEEP_RELEASES", "2")
    monkeypatch.setenv("AIRFLOW__PINWHEEL__KEEP_RELEASES_DAYS", "10")
    return Prebuilt()


@pytest.fixture
def clock(pusher: Prebuilt, monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(pusher, monkeypatch)


def fetchable(pusher: Prebuilt) -> dict[int, bool]:
    return {row.release: row.fetchable for row in show.releases(pusher.host, "a")}


def protected(pusher: Prebuilt) -> set[str]:
    return pusher.host.unit.run(lambda session: keeping.protected(pusher.host, session, pusher.bundle_name))


def refused(pusher: Prebuilt, work: Any) -> None:
    with pytest.raises(Refused, match="its files can no longer be fetched: kept are those of the last 2"):
        work()


def test_old_releases_can_no_longer_be_fetched_and_say_so(
    pusher: Prebuilt, clock: Clock, airflow_database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions = [pusher.push({"a": Text(body=body)}) for body in range(5)]
    # All of them are young
    assert fetchable(pusher) == {5: True, 4: True, 3: True, 2: True, 1: True}
    assert protected(pusher) == set(versions)
    run = trigger(pusher.host, "a", actor="ada", build=2, run_id="old").run_id
    clock.pass_by(days=11)
    # The last two, and what a run is on
    assert fetchable(pusher) == {5: True, 4: True, 3: False, 2: True, 1: False}
    assert protected(pusher) == {versions[1], versions[3], versions[4]}
    for to in (1, 3):
        refused(pusher, lambda to=to: changed(pusher, Verb.ROLLBACK, to_release=to))
        refused(pusher, lambda to=to: changed(pusher, Verb.PIN, build=to))
        refused(pusher, lambda to=to: trigger(pusher.host, "a", actor="ada", build=to))
    refused(pusher, lambda: clear(pusher.host, "a", [run], actor="ada", build=1))
    clear(pusher.host, "a", [run], actor="ada")
    monkeypatch.setattr(context, "make_backend", lambda args: LocalBackend(pusher.host, actor="ada"))
    monkeypatch.setattr(sys, "stdout", out := io.StringIO())
    assert main.main(["releases", "a"]) == 0
    assert "Can no longer be fetched: 3, 1.\n" in out.getvalue()
    # Without the run it is as old as the others
    clean(airflow_database, [run])
    assert fetchable(pusher)[2] is False and protected(pusher) == {versions[3], versions[4]}


def test_the_way_back_and_what_is_released_again_stay(
    pusher: Prebuilt, clock: Clock, airflow_database: Any
) -> None:
    versions = [pusher.push({"a": Text(body=body)}) for body in range(3)]
    for _ in range(3):
        # The same build under new numbers: they are the last ones
        changed(pusher, Verb.PIN, build=3)
        changed(pusher, Verb.ROLLBACK, build=3)
        changed(pusher, Verb.UNPIN)
    clock.pass_by(days=11)
    assert fetchable(pusher)[2] and fetchable(pusher)[3] and not fetchable(pusher)[1]
    assert protected(pusher) == {versions[1], versions[2]}
    assert changed(pusher, Verb.ROLLBACK).build == 2
    # Its first release can be fetched again, since it is the same build
    assert fetchable(pusher)[2]


def test_every_release_that_says_it_can_be_fetched_rolls_back(
    pusher: Prebuilt, clock: Clock, airflow_database: Any
) -> None:
    for body in (1, 2, 3, 1, 4, 2, 5, 6):
        pusher.push({"a": Text(body=body)})
        clock.pass_by(days=4)
    before = fetchable(pusher)
    assert set(before.values()) == {True, False}
    for release, there in sorted(before.items()):
        if there and release != max(before):
            assert changed(pusher, Verb.ROLLBACK, to_release=release)
        elif not there:
            assert fetchable(pusher)[release] is False
            refused(pusher, lambda release=release: changed(pusher, Verb.ROLLBACK, to_release=release))


def test_the_way_back_of_many_dags_asks_nothing_of_airflow_while_their_ledgers_are_short(
    pusher: Prebuilt, clock: Clock, airflow_database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pusher.push({name: Text() for name in "abc"})
    pusher.push({name: Text(body=1) for name in "abc"})

    def unused(*_: Any) -> Any:
        raise AssertionError("it asked")

    monkeypatch.setattr(pusher.host.reads, "unused", unused)
    assert len(protected(pusher)) == 2


class OfRepository(Prebuilt):
    """Its pushes are commits of a repository."""

    def __init__(self, repo: Repository) -> None:
        super().__init__("code")
        self.repo = repo

    def version(self) -> str:
        return self.repo.commit({"a.py": "A = 1\n", "words.txt": f"{self.pushes}\n"})


@pytest.mark.acceptance("pushes", 20, 21)
def test_refs_are_kept_of_the_versions_that_are_needed_and_of_a_run_as_long_as_airflow_has_it(
    airflow_database: Any, tmp_path: Path, storage: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pinwheel.airflow3.bundles.git import GitBundle
    from pinwheel.airflow3.processor.duties import COMPARE_ANYWAY, Duties
    from pinwheel.airflow3.processor.guarded import Boundary

    monkeypatch.setenv("AIRFLOW__PINWHEEL__KEEP_RELEASES", "1")
    monkeypatch.setenv("AIRFLOW__PINWHEEL__KEEP_RELEASES_DAYS", "1")
    repo = Repository(tmp_path / "repo")
    pusher = OfRepository(repo)
    clock = Clock(pusher, monkeypatch)
    bundle = GitBundle(name="code", tracking_ref="main", repo_url=str(repo.path))
    duties = Duties(pusher.host, Boundary(pusher.host))

    def kept() -> set[str]:
        """The refs that are kept after an hour, in which no version is young any more."""
        clock.pass_by(days=1)
        bundle.refresh()
        if (known := duties._protected.get("code")) is not None:
            duties._protected["code"] = evolve(known, at=known.at - COMPARE_ANYWAY)
        duties._protected["code"] = duties._protect_one(bundle)
        return set(bundle.mirror.refs("refs/pinwheel/keep/"))

    pusher.push({"a": Text()})
    bundle.initialize()
    pusher.push({})
    bundle.refresh()
    on = stock_run("a", "run")
    assert on is not None
    for _ in range(10):
        head = pusher.push({})
    clock.pass_by(days=2)
    first, *_, before, head = repo.git("rev-list", "--reverse", "HEAD").split()
    assert kept() == {first, on, before, head}, "released, of a run, followed to before, and followed to"

    # The source rewrites its history, and everybody cleans up.
    repo.git("checkout", "-q", "--orphan", "new")
    repo.git("branch", "-M", "new", "main")
    pusher.push({})
    repo.git("reflog", "expire", "--expire=now", "--all")
    repo.git("gc", "-q", "--prune=now")
    clock.pass_by(days=2)
    assert on in kept()
    for command in (("reflog", "expire", "--expire=now", "--all"), ("gc", "--quiet", "--prune=now")):
        bundle.mirror.git.run(*command)
    task = GitBundle(name="code", tracking_ref="main", repo_url=str(repo.path), version=on)
    task.initialize()
    assert (task.path / "words.txt").read_text() == "2\n"

    clean(airflow_database, ["run"])
    assert on not in kept()
    assert len(kept()) <= 4
