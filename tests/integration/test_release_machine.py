"""Pushes, pins, rollbacks, rejections, deletions, foreign writers, runs in any order, against a dictionary.

The services and Airflow's models are real, the database is SQLite; only the parses are made in advance.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any, ClassVar

import pytest
import sqlalchemy as sa
from attrs import define, field
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from harness import asked, invariants
from harness.hypothesis_profiles import machine
from harness.inprocess import bound_airflow
from harness.prebuilt import BROKEN, SHAPES, Prebuilt, Text, finish_run, start_run
from pinwheel.core.errors import Conflict, NotFound, Refused
from pinwheel.core.release.decide import Verb
from pinwheel.services import change
from pinwheel.services.show import status as dag_status
from pinwheel.services.upkeep import repair

DAGS = ("a", "b")
TEXTS = st.builds(Text, shape=st.sampled_from(sorted(SHAPES)), body=st.integers(0, 2))
A_DAG = st.sampled_from(DAGS)


@define
class Model:
    """What a user expects of one Dag."""

    builds: list[Text] = field(factory=list)
    """In the order of their numbers."""
    shown: list[Text] = field(factory=list)
    """In the order in which each was pushed last."""
    active: Text | None = None
    newest: Text | None = None
    pinned: bool = False
    retired: bool = False
    broken: bool = False
    gone: bool = False
    """Its file is gone from the newest version of the bundle."""
    trail: list[Text] = field(factory=list)
    """Where a rollback without a target goes back to: the builds that led here, the last is active."""
    rejected: list[Text] = field(factory=list)

    def on_purpose(self, text: Text) -> None:
        """Somebody says why it is right after all, where it is not what runs already."""
        if (text != self.active or self.retired) and text in self.rejected:
            self.rejected.remove(text)

    def release(self, text: Text, *, back: bool = False) -> None:
        if back and text in self.trail:
            del self.trail[self.trail.index(text) + 1 :]
        elif not self.trail or self.trail[-1] != text:
            if text in self.trail:
                self.trail.remove(text)
            self.trail.append(text)
        self.active, self.retired = text, False

    def push(self, text: Text) -> None:
        if text not in self.builds:
            self.builds.append(text)
        if text in self.shown:
            self.shown.remove(text)
        self.shown.append(text)
        self.newest = text

    def is_older(self, text: Text | None) -> bool:
        """Than the active one."""
        assert text and self.active
        return self.shown.index(text) < self.shown.index(self.active)

    def number(self, text: Text | None) -> int | None:
        return self.builds.index(text) + 1 if text else None


class Machine(RuleBasedStateMachine):
    source: ClassVar[Any] = None
    """Hands out databases; set by the test."""

    def __init__(self) -> None:
        super().__init__()
        self.database = self.source.create()
        self._bound = bound_airflow(self.database)
        self._bound.__enter__()
        self.engine = self.database.engine()
        self.folder = Path(tempfile.mkdtemp(prefix="pinwheel-machine-"))
        self.pusher = Prebuilt()
        self.host = self.pusher.host
        self.model = {dag_id: Model() for dag_id in DAGS}
        self.drifted: set[str] = set()
        self.runs: dict[str, tuple[str, Text]] = {}
        self.started: set[str] = set()
        self.history: dict[str, Any] = {}
        self.ledger = invariants.ledger(self.engine)
        self.serial = 0
        self.begun = False

    def teardown(self) -> None:
        self._bound.__exit__(None, None, None)
        self.database.drop()
        shutil.rmtree(self.folder, ignore_errors=True)

    @initialize(text=TEXTS)
    def begin(self, text: Text) -> None:
        self._push(dict.fromkeys(DAGS, text))
        self.begun = True

    # pushes

    @rule(dag_id=A_DAG, text=TEXTS)
    def push(self, dag_id: str, text: Text) -> None:
        """New, changed or changed back."""
        self._push({dag_id: text})

    @rule(first=TEXTS, second=TEXTS)
    def push_both(self, first: Text, second: Text) -> None:
        self._push({"a": first, "b": second})

    @rule(dag_id=A_DAG)
    def push_broken(self, dag_id: str) -> None:
        self._push({dag_id: BROKEN})

    @rule(dag_id=A_DAG)
    def remove_the_file(self, dag_id: str) -> None:
        self._push({}, removed=dag_id)

    @rule()
    def push_nothing(self) -> None:
        self._push({})

    def _push(self, changes: dict[str, Text | None], removed: str | None = None) -> None:
        self.pusher.push(changes, removed=(removed,) if removed else ())
        for dag_id, text in changes.items():
            model = self.model[dag_id]
            model.broken = text is None
            if text is None:
                continue
            model.push(text)
            held = text in model.rejected and model.active != text
            if not model.pinned and not held and (model.active != text or model.retired):
                model.release(text)
                self.drifted.discard(dag_id)
        for dag_id in changes:
            self.model[dag_id].gone = False
        if removed:
            self.model[removed].gone = True
            self.model[removed].broken = False
        for dag_id, model in self.model.items():
            # Also one that was unpinned since its file went.
            if model.gone and model.active and not model.pinned and not model.retired:
                model.retired = True
                self.drifted.discard(dag_id)

    # changes

    def _change(self, dag_ids: list[str], verb: Verb, **more: Any) -> list[Any]:
        done = change.apply(self.host, asked.change(verb=verb, dag_ids=dag_ids, actor="ada", **more))
        self.drifted -= {outcome.dag_id for outcome in done if outcome.changed and outcome.kind}
        return done

    @rule(dag_id=A_DAG, data=st.data(), given=st.booleans())
    def pin(self, dag_id: str, data: st.DataObject, given: bool) -> None:
        model = self.model[dag_id]
        text = self._target(data, model, given)
        self._change([dag_id], Verb.PIN, build=model.number(text), reason="it is right")
        text = text or model.active
        assert text
        model.on_purpose(text)
        if model.retired or text != model.active:
            model.release(text)
        model.pinned = True

    @rule(dag_ids=st.sampled_from([["a"], ["b"], ["a", "b"]]))
    def unpin(self, dag_ids: list[str]) -> None:
        self._change(dag_ids, Verb.UNPIN)
        for model in (self.model[dag_id] for dag_id in dag_ids):
            if model.pinned and model.newest != model.active and model.newest not in model.rejected:
                assert model.newest
                model.release(model.newest)
            model.pinned = False

    @rule(dag_id=A_DAG, data=st.data(), given=st.booleans())
    def promote(self, dag_id: str, data: st.DataObject, given: bool) -> None:
        model = self.model[dag_id]
        text = self._target(data, model, given) or model.newest
        number = model.number(text)
        if (not model.pinned) if model.retired else model.is_older(text):
            with pytest.raises(Refused):
                self._change([dag_id], Verb.PROMOTE, build=number if given else None)
            return
        self._change([dag_id], Verb.PROMOTE, build=number if given else None, reason="it is right")
        assert text
        model.on_purpose(text)
        if text != model.active or model.retired:
            model.release(text)

    @rule(dag_id=A_DAG, data=st.data(), given=st.booleans(), blame=st.booleans())
    def roll_back(self, dag_id: str, data: st.DataObject, given: bool, blame: bool) -> None:
        model = self.model[dag_id]
        text = self._target(data, model, given)
        to_blame = model.active in model.rejected
        if not given and not model.retired and not to_blame and self._followed(dag_id):
            # The step before is the same build in an older version: test_following.py.
            (back,) = self._change([dag_id], Verb.ROLLBACK, to_blame=False)
            assert back.build == model.number(model.active)
            model.pinned = True
            return
        if not given:
            before = [each for each in model.trail if each != model.active and each not in model.rejected]
            if not before:
                with pytest.raises(NotFound):
                    self._change([dag_id], Verb.ROLLBACK)
                return
        number = model.number(text)
        self._change([dag_id], Verb.ROLLBACK, build=number, to_blame=blame, reason="it is right")
        text = text or before[-1]
        model.pinned = True
        if text == model.active and not model.retired:
            return
        model.on_purpose(text)
        if blame and model.active and not model.retired and model.active not in model.rejected:
            model.rejected.append(model.active)
        model.release(text, back=True)

    def _followed(self, dag_id: str) -> bool:
        """Whether new runs took a newer version since the release."""
        query = "SELECT follow_before FROM pinwheel_dag WHERE dag_id = :d"
        with self.engine.connect() as connection:
            return connection.scalar(sa.text(query), {"d": dag_id}) is not None

    @rule(dag_id=A_DAG, data=st.data())
    def reject(self, dag_id: str, data: st.DataObject) -> None:
        model = self.model[dag_id]
        text = data.draw(st.sampled_from(model.builds))
        (done,) = self._change([dag_id], Verb.REJECT, build=model.number(text))
        assert done.changed == (text not in model.rejected)
        if done.changed:
            model.rejected.append(text)

    @rule(dag_id=A_DAG, data=st.data())
    def lift(self, dag_id: str, data: st.DataObject) -> None:
        model = self.model[dag_id]
        text = data.draw(st.sampled_from(model.builds))
        (done,) = self._change([dag_id], Verb.LIFT, build=model.number(text))
        assert done.changed == (text in model.rejected)
        if not done.changed:
            return
        model.rejected.remove(text)
        if not model.pinned and not model.retired and text == model.newest and text != model.active:
            model.release(text)

    @rule(dag_id=A_DAG, verb=st.sampled_from([Verb.PIN, Verb.UNPIN, Verb.PROMOTE, Verb.ROLLBACK]))
    def from_a_stale_view(self, dag_id: str, verb: Verb) -> None:
        before = invariants.dump(self.engine)
        with pytest.raises(Conflict):
            self._change([dag_id], verb, expected_release=9999)
        assert invariants.differing(before, invariants.dump(self.engine)) == []

    @rule(dag_id=A_DAG)
    def the_same_request_twice(self, dag_id: str) -> None:
        model = self.model[dag_id]
        self.serial += 1
        request = f"request {self.serial}"
        wanted = {"build": 1, "request_id": request, "reason": "it is right"}
        first = self._change([dag_id], Verb.PIN, **wanted)
        model.on_purpose(model.builds[0])
        if model.retired or model.active != model.builds[0]:
            model.release(model.builds[0])
        model.pinned = True
        second = self._change([dag_id], Verb.PIN, **wanted)
        assert not second[0].changed
        assert second[0].release == first[0].release

    def _target(self, data: st.DataObject, model: Model, given: bool) -> Text | None:
        return data.draw(st.sampled_from(model.builds)) if given else None

    # what others do to Airflow's rows

    @rule(dag_id=A_DAG, text=TEXTS)
    def a_foreign_writer_parses(self, dag_id: str, text: Text) -> None:
        self.pusher.foreign_parse(self.folder, dag_id, text, mark=str(self.serial))
        self.drifted.add(dag_id)

    @rule(dag_id=A_DAG)
    def a_broken_parse_of_another_processor(self, dag_id: str) -> None:
        with self.engine.begin() as connection:
            connection.execute(
                sa.text("UPDATE dag SET is_stale = 1, has_import_errors = 1 WHERE dag_id = :d"), {"d": dag_id}
            )
        self.drifted.add(dag_id)

    @precondition(lambda self: not self.started)
    @rule(dag_id=A_DAG)
    def somebody_deletes_the_dag(self, dag_id: str) -> None:
        from airflow.api.common.delete_dag import delete_dag

        with self.engine.connect() as connection:
            if not connection.scalar(sa.text("SELECT count(*) FROM dag WHERE dag_id = :d"), {"d": dag_id}):
                return
        delete_dag(dag_id)
        self.drifted.add(dag_id)
        self.runs = {run_id: known for run_id, known in self.runs.items() if known[0] != dag_id}
        self.history = {k: v for k, v in self.history.items() if v[0] != dag_id}

    @precondition(lambda self: self.drifted)
    @rule()
    def the_processor_looks(self) -> None:
        found = {drift.dag_id for drift in repair.repair_drift(self.host)}
        assert found <= self.drifted
        self.drifted = {dag_id for dag_id in self.drifted if self.model[dag_id].retired}
        assert repair.repair_drift(self.host) == []

    @rule()
    def the_processor_writes_the_rows_anew(self) -> None:
        if not self.drifted:
            repair.reassert(self.host, DAGS)

    # runs

    @rule(dag_id=A_DAG, data=st.data(), given=st.booleans())
    def trigger(self, dag_id: str, data: st.DataObject, given: bool) -> None:
        model = self.model[dag_id]
        if dag_id in self.drifted:
            return
        text = self._target(data, model, given)
        self.serial += 1
        run_id = f"run-{self.serial}"
        if model.retired:
            with pytest.raises(Refused):
                asked.trigger(self.host, dag_id, actor="ada", build=model.number(text), run_id=run_id)
            return
        bound = asked.trigger(self.host, dag_id, actor="ada", build=model.number(text), run_id=run_id)
        text = text or model.active
        assert text
        assert bound.build == model.number(text)
        self.runs[run_id] = (dag_id, text)

    @rule(dag_id=A_DAG)
    def airflow_creates_a_run(self, dag_id: str) -> None:
        """As the scheduler and Airflow's own trigger do, knowing nothing of Pinwheel."""
        from airflow.models.dagbag import DBDagBag
        from airflow.sdk import timezone
        from airflow.utils.session import create_session
        from airflow.utils.state import DagRunState
        from airflow.utils.types import DagRunTriggeredByType, DagRunType

        model = self.model[dag_id]
        if model.retired or dag_id in self.drifted:
            return
        self.serial += 1
        run_id = f"run-{self.serial}"
        with create_session() as session:
            dag = DBDagBag(load_op_links=False).get_latest_version_of_dag(dag_id, session=session)
            dag.create_dagrun(
                run_id=run_id,
                run_after=timezone.utcnow(),
                run_type=DagRunType.MANUAL,
                triggered_by=DagRunTriggeredByType.REST_API,
                triggering_user_name="ada",
                state=DagRunState.QUEUED,
                session=session,
            )
        assert model.active
        self.runs[run_id] = (dag_id, model.active)

    @precondition(lambda self: set(self.runs) - self.started)
    @rule(data=st.data())
    def the_scheduler_starts_a_run(self, data: st.DataObject) -> None:
        run_id = data.draw(st.sampled_from(sorted(set(self.runs) - self.started)))
        start_run(self.runs[run_id][0], run_id)
        self.started.add(run_id)

    @precondition(lambda self: self.started)
    @rule(data=st.data(), state=st.sampled_from(["success", "failed"]))
    def a_run_ends(self, data: st.DataObject, state: str) -> None:
        run_id = data.draw(st.sampled_from(sorted(self.started)))
        finish_run(self.runs[run_id][0], run_id, state)
        self.started.discard(run_id)

    @precondition(lambda self: set(self.runs) - self.started)
    @rule(data=st.data(), given=st.booleans())
    def clear_a_run(self, data: st.DataObject, given: bool) -> None:
        run_id = data.draw(st.sampled_from(sorted(set(self.runs) - self.started)))
        dag_id, was = self.runs[run_id]
        if dag_id in self.drifted:
            return
        text = self._target(data, self.model[dag_id], given)
        number = self.model[dag_id].number(text)
        (bound,) = asked.clear(self.host, dag_id, [run_id], actor="ada", build=number)
        self.runs[run_id] = (dag_id, text or was)
        assert bound.build == self.model[dag_id].number(text or was)

    # what must hold after each step

    @invariant()
    def active_is_latest(self) -> None:
        invariants.check(self.engine, drifted=self.drifted)

    @invariant()
    def history_never_changes(self) -> None:
        invariants.check_history(self.history, self.engine, forgotten=self.drifted)
        now = invariants.history(self.engine)
        self.history |= {version: said for version, said in now.items() if said[0] not in self.drifted}

    @invariant()
    def the_ledger_is_append_only(self) -> None:
        now = invariants.ledger(self.engine)
        invariants.check_appended(self.ledger, now)
        self.ledger = now

    @invariant()
    def the_status_is_what_the_model_says(self) -> None:
        if not self.begun:
            return
        for status in dag_status.status(self.host, dag_ids=DAGS):
            model = self.model[status.dag_id]
            assert status.active_build == model.number(model.active)
            assert status.newest_build == model.number(model.newest)
            waits = model.active != model.newest
            # Of the same build a newer version can wait: test_places_machine says when.
            assert status.held or not waits
            assert waits or not status.held or (model.pinned and status.behind)
            assert (status.track == "pinned") == model.pinned
            assert status.retired == model.retired
            assert (status.broken is not None) == model.broken
            held_by_it = model.active != model.newest and model.newest in model.rejected
            assert ("rejected" in {hold.kind for hold in status.holds}) == held_by_it

    @invariant()
    def each_run_is_on_its_build(self) -> None:
        with self.engine.connect() as connection:
            rows = connection.execute(
                sa.text(
                    "SELECT r.run_id, coalesce(p.build_id, t.build_id) FROM dag_run r"
                    " LEFT JOIN pinwheel_release p ON p.dag_version_id = r.created_dag_version_id"
                    " LEFT JOIN pinwheel_trial t ON t.dag_version_id = r.created_dag_version_id"
                )
            ).all()
            numbers = {
                r[0]: r[1] for r in connection.execute(sa.text("SELECT id, build FROM pinwheel_build"))
            }
        for run_id, build_id in rows:
            dag_id, text = self.runs[run_id]
            assert numbers.get(build_id) == self.model[dag_id].number(text), run_id


@pytest.mark.slow
def test_any_sequence_keeps_the_invariants(sqlite: Any) -> None:
    from hypothesis.stateful import run_state_machine_as_test

    Machine.source = sqlite
    run_state_machine_as_test(Machine, settings=machine(examples=12, steps=25))
