"""No fault of one override ends the Dag processor's loop, or keeps the push of another bundle waiting.

The real loop, in this process, over two repositories: ``one`` is at fault, ``two`` is innocent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from airflow.dag_processing.manager import DagFileProcessorManager

from harness import bundles, dags
from harness.gitrepo import GitRepo
from harness.loop import Loop, own_loop
from pinwheel.airflow3.processor.manager import PinwheelProcessorManager

pytestmark = pytest.mark.postgres

OVERRIDDEN = sorted(
    name
    for name, value in vars(PinwheelProcessorManager).items()
    if callable(value) and hasattr(DagFileProcessorManager, name)
)
GUARDED = [name for name in OVERRIDDEN if name not in PinwheelProcessorManager.WITHOUT_BOUNDARY]

NORMAL_TURNS = 30
"""Three where a turn waits for nothing; on a loaded machine a parse outlasts many."""


@pytest.mark.acceptance("pushes", 38)
def test_each_override_of_the_processor_has_a_boundary_or_a_reason_why_it_needs_none() -> None:
    assert OVERRIDDEN
    without = [
        name for name in GUARDED if not getattr(vars(PinwheelProcessorManager)[name], "guarded", False)
    ]
    assert without == [], "put @guarded on these, or give the reason in WITHOUT_BOUNDARY"
    assert PinwheelProcessorManager.WITHOUT_BOUNDARY.keys() <= set(OVERRIDDEN)
    assert all(PinwheelProcessorManager.WITHOUT_BOUNDARY.values())


class Pair:
    """Two repositories under one processor."""

    def __init__(self, loop: Loop, one: GitRepo, two: GitRepo) -> None:
        self.loop = loop
        self.repos = {"one": one, "two": two}
        self._pushes = 0

    def push(self, name: str) -> str:
        self._pushes += 1
        return self.repos[name].commit(dags.dag(f"dag_{name}", f"push{self._pushes}"))

    def released(self, name: str, sha: str, *, turns: int = NORMAL_TURNS) -> None:
        self.loop.turn_until(
            lambda: self.loop.released_from(f"dag_{name}") == sha,
            turns=turns,
            what=f"the release of bundle {name}'s push",
        )


@pytest.fixture(scope="module")
def pair(postgres: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    root = tmp_path_factory.mktemp("boundaries")
    one, two = GitRepo(root / "one"), GitRepo(root / "two")
    shas = {name: repo.commit(dags.dag(f"dag_{name}")) for name, repo in (("one", one), ("two", two))}
    with own_loop(
        postgres,
        root,
        bundles.git("one", one.url, refresh_interval=0),
        bundles.git("two", two.url, refresh_interval=0),
    ) as loop:
        pair = Pair(loop, one, two)
        for name, sha in shas.items():
            pair.released(name, sha, turns=20)
        yield pair


def raising(host: Any, name: str, concerns_one: Callable[..., bool], genuine: Callable[..., Any]) -> Any:
    """An override that fails: in the ordinary way, with a database error, and then goes on."""
    left = ["ordinary", "database"]

    def fail(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not left or not concerns_one(*args, **kwargs):
            return genuine(self, *args, **kwargs)
        how = left.pop(0)
        if how == "ordinary":
            raise RuntimeError(f"{name} failed as the test wants it")
        if "session" in kwargs:
            kwargs["session"].execute(sa.text("SELECT no_such_column FROM dag"))
        host.unit.run(lambda session: session.execute(sa.text("SELECT no_such_column FROM dag")))
        raise AssertionError("the database took it")

    return fail, left


def of_bundle_one(*args: Any, **kwargs: Any) -> bool:
    """Whether a call concerns the first bundle; one that concerns no bundle does."""
    for value in (*args, *kwargs.values()):
        name = getattr(value, "bundle_name", None) or getattr(value, "name", None)
        if name in ("one", "two"):
            return bool(name == "one")
    return kwargs.get("bundle_name", "one") == "one"


@pytest.mark.acceptance("pushes", 39)
@pytest.mark.parametrize("name", GUARDED)
def test_an_override_that_raises_keeps_no_push_of_another_bundle_waiting(pair: Pair, name: str) -> None:
    wrapper = vars(PinwheelProcessorManager)[name]
    genuine = wrapper.__wrapped__
    wrapper.__wrapped__, left = raising(pair.loop.manager.host, name, of_bundle_one, genuine)
    try:
        if name == "prepare_callback_bundle":
            ask_for_callbacks(pair.loop, 2)
        pair.push("one")
        pair.released("two", pair.push("two"))
        if left:
            pair.push("one")
            pair.loop.turn_until(lambda: not left, turns=20, what=f"the call of {name}")
    finally:
        wrapper.__wrapped__ = genuine
    place = name.lstrip("_")
    told = [event["reason"] for event in pair.loop.events("fault")]
    assert any(f"{name} failed as the test wants it" in reason for reason in told), told
    assert any("no_such_column" in reason for reason in told)
    # It works again: nothing is left of the fault, and the bundle at fault catches up.
    pair.released("one", pair.push("one"), turns=20)
    if name == "prepare_callback_bundle":
        ask_for_callbacks(pair.loop, 1)
    pair.loop.turn_until(
        lambda: not [key for key in pair.loop.faults() if key[1] == place],
        turns=20,
        what=f"the fault of {name} is taken back",
    )


def request_for(loop: Loop, run_id: str) -> Any:
    from airflow.callbacks.callback_requests import DagCallbackRequest

    return DagCallbackRequest(
        filepath="dag_one.py",
        bundle_name="one",
        bundle_version=loop.head("one"),
        dag_id="dag_one",
        run_id=run_id,
        msg="for the test",
    )


def test_a_callback_of_a_version_whose_file_is_gone_since_is_not_ended_by_the_next_refresh(
    pair: Pair, tmp_path: Path
) -> None:
    from airflow.callbacks.callback_requests import DagCallbackRequest
    from airflow.models.db_callback_request import DbCallbackRequest
    from airflow.utils.session import create_session

    loop, repo, marker = pair.loop, pair.repos["one"], tmp_path / "called"
    text = (
        "import time, pathlib\nfrom airflow.sdk import DAG\n"
        f"def called(context):\n    time.sleep(3)\n    pathlib.Path({str(marker)!r}).write_text('yes')\n"
        "with DAG('gone_since', schedule=None, on_failure_callback=called):\n    pass\n"
    )
    old = repo.commit({"gone_since.py": text})
    loop.turn_until(lambda: loop.settled("one", old), what="the version with the file")
    new = repo.commit({"gone_since.py": None})
    loop.turn_until(lambda: loop.settled("one", new), what="the version without it")
    request = DagCallbackRequest(
        filepath="gone_since.py",
        bundle_name="one",
        bundle_version=old,
        dag_id="gone_since",
        run_id="run",
        is_failure_callback=True,
        msg="for the test",
    )
    with create_session() as session:
        session.add(DbCallbackRequest(callback=request, priority_weight=1))
    # The bundles are refreshed in each turn, and the callback outlasts several.
    loop.turn_until(marker.exists, turns=200, what="the callback")


def ask_for_callbacks(loop: Loop, count: int) -> None:
    from airflow.models.db_callback_request import DbCallbackRequest
    from airflow.utils.session import create_session

    for number in range(count):
        with create_session() as session:
            request = request_for(loop, f"run_{number}")
            session.add(DbCallbackRequest(callback=request, priority_weight=1))
        loop.turn_until(
            lambda: not waiting_callbacks(loop),
            what="the request is taken",
        )


def waiting_callbacks(loop: Loop) -> int:
    return int(loop.rows("SELECT count(*) AS n FROM callback WHERE type = 'dag_processor'")[0]["n"])


def test_a_callback_request_that_can_not_be_read_is_dropped_and_told_and_the_next_one_runs(
    pair: Pair,
) -> None:
    from airflow.models.db_callback_request import DbCallbackRequest
    from airflow.utils.session import create_session

    loop = pair.loop
    row = DbCallbackRequest(callback=request_for(loop, "unreadable"), priority_weight=5)
    row.data = {"of": "another Airflow"}
    with create_session() as session:
        session.add(row)
    loop.turn_until(lambda: not waiting_callbacks(loop), what="the row is gone")
    assert any("can not be read" in event["reason"] for event in loop.events("fault"))
    ask_for_callbacks(loop, 1)
    loop.turn_until(lambda: ("", "fetch_callbacks") not in loop.faults(), what="the fault is taken back")


def test_a_processor_that_starts_again_takes_back_what_an_earlier_one_left_once_it_works(
    pair: Pair,
) -> None:
    from pinwheel.services.ingest import faults

    host = pair.loop.manager.host
    faults.record(host, bundle_name="one", place="settle", error="left by a process that is gone")
    pair.loop.manager.boundary.load()
    pair.released("one", pair.push("one"))
    pair.loop.turn_until(lambda: ("one", "settle") not in pair.loop.faults())


def test_of_two_processors_the_one_that_works_takes_back_what_the_other_left_and_no_fault_is_lost(
    pair: Pair,
) -> None:
    from pinwheel.airflow3.processor.guarded import Boundary

    loop, other = pair.loop, Boundary(pair.loop.manager.host)
    place = ("one", "settle")
    other.caught("settle", "only where the other runs", bundle_name="one")
    loop.manager.duties._last.pop("faults")
    pair.released("one", pair.push("one"))
    loop.turn_until(lambda: place not in loop.faults(), what="that the working one takes it back")
    other.load()
    other.caught("settle", "only where the other runs", bundle_name="one")
    assert place in loop.faults()
    other.worked("settle", bundle_name="one")
    assert place not in loop.faults()
    told = [event for event in loop.events("fault") if "only where the other runs" in event["reason"]]
    assert len(told) == 1


def test_a_fault_that_comes_and_goes_or_differs_in_numbers_only_is_told_once(pair: Pair) -> None:
    loop, boundary = pair.loop, pair.loop.manager.boundary
    for number in range(6):
        boundary.caught("for the test", f"no rest at 0x{number:x}a for {number} seconds", bundle_name="two")
        assert "no rest" in loop.faults("two")[("two", "for the test")]
        if number % 2:
            boundary.worked("for the test", bundle_name="two")
            assert loop.faults("two") == {}
    assert len([event for event in loop.events("fault") if "no rest" in event["reason"]]) == 1


def test_a_fault_of_the_database_is_shown_without_the_statement_and_its_values(pair: Pair) -> None:
    loop = pair.loop
    query = sa.text("SELECT :value, no_such_column FROM dag")
    with pytest.raises(sa.exc.DBAPIError) as caught:
        loop.manager.host.unit.run(lambda session: session.execute(query, {"value": "a secret"}))
    loop.manager.boundary.caught("for the test", caught.value, bundle_name="two")
    said = loop.faults("two")[("two", "for the test")]
    loop.manager.boundary.worked("for the test", bundle_name="two")
    assert "no_such_column" in said
    assert "secret" not in said
    assert "SELECT" not in said
