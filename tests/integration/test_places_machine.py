"""Pushes, resets, pins, rollbacks, rejections and lifts in any order, against a naive list of places.

The services, Airflow's models and its own function that makes runs are real, the database is SQLite; only the
parses are made in advance. The model keeps every head with what each Dag's file gives there, and derives from
that list alone what the next run must execute.
"""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from attrs import define, field
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from harness import asked, invariants
from harness.hypothesis_profiles import machine
from harness.inprocess import bound_airflow, stock_run
from harness.prebuilt import BROKEN, Prebuilt, Text
from pinwheel.core.errors import NotFound, Refused
from pinwheel.core.release.decide import Verb
from pinwheel.services import change
from pinwheel.services.show import status as dag_status

DAGS = ("a", "b")
A_DAG = st.sampled_from(DAGS)
TEXTS = st.builds(Text, body=st.integers(0, 2))
YES_OR_NO = st.booleans()


@define
class Head:
    """A version while the bundle showed it: what each Dag's file gives in it, None where it is broken."""

    version: str
    gives: dict[str, Text | None]


@define
class Model:
    """What a user expects of one Dag. Places are indexes into the list of heads."""

    dag_id: str
    heads: list[Head]
    active: Text
    place: int = 0
    """Where its new runs' version stood last."""
    before: int | None = None
    """The place from which it followed here, since its last release."""
    pinned: bool = False
    trail: list[Text] = field(factory=list)
    """Where a rollback without a target goes back to: the builds that led here, the last is active."""
    builds: list[Text] = field(factory=list)
    rejected: set[Text] = field(factory=set)
    rejected_versions: set[tuple[Text, str]] = field(factory=set)

    @property
    def version(self) -> str:
        return self.heads[self.place].version

    def newest(self, text: Text) -> int:
        """Where a build stands in the newest version."""
        return max(n for n, head in enumerate(self.heads) if head.gives[self.dag_id] == text)

    @property
    def newest_build(self) -> Text:
        """The last good one."""
        return next(text for head in reversed(self.heads) if (text := head.gives[self.dag_id]) is not None)

    def refuses(self, text: Text, place: int) -> bool:
        """That a build is released from a place by itself."""
        return text in self.rejected or (text, self.heads[place].version) in self.rejected_versions

    def release(self, text: Text, place: int, *, back: bool = False) -> None:
        if back and text in self.trail:
            del self.trail[self.trail.index(text) + 1 :]
        elif not self.trail or self.trail[-1] != text:
            if text in self.trail:
                self.trail.remove(text)
            self.trail.append(text)
        self.active, self.place, self.before = text, place, None

    def by_itself(self) -> None:
        """What an unpinned Dag does once it knows what the head gives: release what is new, else follow."""
        text = self.newest_build
        place = self.newest(text)
        if self.pinned:
            return
        if text != self.active:
            if not self.refuses(text, place):
                self.release(text, place)
                return
            place = self.newest(self.active)
        if (self.active, self.heads[place].version) in self.rejected_versions:
            return
        if self.heads[place].version != self.version:
            self.before = self.place
        self.place = place

    def lift(self, text: Text) -> None:
        self.rejected.discard(text)
        self.rejected_versions = {each for each in self.rejected_versions if each[0] != text}

    def is_rejected(self, text: Text) -> bool:
        """Whether a person who releases it must say why."""
        return self.refuses(text, self.newest(text))


class Machine(RuleBasedStateMachine):
    source: ClassVar[Any] = None
    """Hands out databases; set by the test."""

    def __init__(self) -> None:
        super().__init__()
        self.database = self.source.create()
        self._bound = bound_airflow(self.database)
        self._bound.__enter__()
        self.pusher = Prebuilt()
        self.heads: list[Head] = []
        self.dags: dict[str, Model] = {}
        self.runs = 0

    def teardown(self) -> None:
        self._bound.__exit__(None, None, None)
        self.database.drop()

    @initialize(text=TEXTS)
    def begin(self, text: Text) -> None:
        version = self.pusher.push(dict.fromkeys(DAGS, text))
        self.heads.append(Head(version, dict.fromkeys(DAGS, text)))
        self.dags = {
            dag_id: Model(dag_id=dag_id, heads=self.heads, active=text, trail=[text], builds=[text])
            for dag_id in DAGS
        }

    # what the bundle shows

    def _show(self, gives: dict[str, Text | None], version: str | None = None) -> None:
        now = self.heads[-1].gives
        changed = {dag_id: text for dag_id, text in gives.items() if text != now[dag_id]}
        shown = self.pusher.push(changed, version=version)
        self.heads.append(Head(shown, gives))
        for dag_id, model in self.dags.items():
            text = gives[dag_id]
            if text is not None and text not in model.builds:
                model.builds.append(text)
            model.by_itself()

    @rule(dag_id=A_DAG, text=TEXTS)
    def push(self, dag_id: str, text: Text) -> None:
        self._show({**self.heads[-1].gives, dag_id: text})

    @rule()
    def push_other_files_only(self) -> None:
        self._show(dict(self.heads[-1].gives))

    @rule(dag_id=A_DAG)
    def push_broken(self, dag_id: str) -> None:
        self._show({**self.heads[-1].gives, dag_id: BROKEN})

    @rule(data=st.data())
    def reset_to_a_version_of_before(self, data: st.DataObject) -> None:
        others = [head for head in self.heads if head.version != self.heads[-1].version]
        if not others:
            return
        head = data.draw(st.sampled_from(others))
        self._show(dict(head.gives), version=head.version)

    # what people do

    def _change(self, dag_id: str, verb: Verb, **more: Any) -> Any:
        wanted = asked.change(verb=verb, dag_ids=[dag_id], actor="ada", **more)
        (outcome,) = change.apply(self.pusher.host, wanted)
        return outcome

    @rule(dag_id=A_DAG, to_blame=YES_OR_NO)
    def roll_back(self, dag_id: str, to_blame: bool) -> None:
        model = self.dags[dag_id]
        if model.before is not None and model.active not in model.rejected:
            left, back = model.place, model.before
            self._change(dag_id, Verb.ROLLBACK, to_blame=to_blame)
            if to_blame:
                versions = {head.version for head in self.heads[back + 1 : left + 1]}
                model.rejected_versions |= {(model.active, version) for version in versions}
            model.release(model.active, back)
        else:
            earlier = [text for text in model.trail[:-1] if text not in model.rejected]
            if not earlier:
                with pytest.raises(NotFound):
                    self._change(dag_id, Verb.ROLLBACK, to_blame=to_blame)
                return
            if model.is_rejected(earlier[-1]):
                # Only the version that it would be taken from is.
                with pytest.raises(Refused):
                    self._change(dag_id, Verb.ROLLBACK, to_blame=to_blame)
                return
            self._change(dag_id, Verb.ROLLBACK, to_blame=to_blame)
            if to_blame:
                model.rejected.add(model.active)
            model.release(earlier[-1], model.newest(earlier[-1]), back=True)
        model.pinned = True

    @rule(dag_id=A_DAG)
    def pin(self, dag_id: str) -> None:
        self._change(dag_id, Verb.PIN)
        self.dags[dag_id].pinned = True

    @rule(dag_id=A_DAG, data=st.data())
    def pin_to_a_build(self, dag_id: str, data: st.DataObject) -> None:
        model = self.dags[dag_id]
        text = data.draw(st.sampled_from(model.builds))
        number = model.builds.index(text) + 1
        rejected = text != model.active and model.is_rejected(text)
        if rejected:
            with pytest.raises(Refused, match="with a reason"):
                self._change(dag_id, Verb.PIN, build=number)
        self._change(dag_id, Verb.PIN, build=number, reason="it is right after all")
        if rejected:
            model.lift(text)
        if text != model.active:
            model.release(text, model.newest(text))
        model.pinned = True

    @rule(dag_id=A_DAG)
    def unpin(self, dag_id: str) -> None:
        self._change(dag_id, Verb.UNPIN)
        model = self.dags[dag_id]
        if model.pinned:
            model.pinned = False
            model.by_itself()

    @rule(dag_id=A_DAG, data=st.data())
    def reject(self, dag_id: str, data: st.DataObject) -> None:
        model = self.dags[dag_id]
        text = data.draw(st.sampled_from(model.builds))
        self._change(dag_id, Verb.REJECT, build=model.builds.index(text) + 1)
        model.rejected.add(text)

    @precondition(lambda self: any(m.rejected or m.rejected_versions for m in self.dags.values()))
    @rule(dag_id=A_DAG, data=st.data())
    def lift(self, dag_id: str, data: st.DataObject) -> None:
        model = self.dags[dag_id]
        text = data.draw(st.sampled_from(model.builds))
        self._change(dag_id, Verb.LIFT, build=model.builds.index(text) + 1)
        model.lift(text)
        model.by_itself()

    # what must hold after each step

    @invariant()
    def the_next_run_executes_the_place_that_the_list_says(self) -> None:
        for dag_id, model in self.dags.items():
            self.runs += 1
            version = stock_run(dag_id, f"run-{self.runs}")
            assert version == model.version, f"{dag_id} of {[head.version[:6] for head in self.heads]}"
            builds = self.database.rows(
                "SELECT b.build FROM pinwheel_dag d JOIN pinwheel_build b ON b.id = d.active_build_id "
                "WHERE d.dag_id = :dag_id",
                dag_id=dag_id,
            )
            assert builds == [{"build": model.builds.index(model.active) + 1}]
            assert self.heads[model.place].gives[dag_id] == model.active, "its build does not stand there"
            (status,) = dag_status.status(self.pusher.host, dag_ids=[dag_id])
            newest = model.newest_build
            waits = newest != model.active
            still = not waits and self.heads[model.newest(newest)].version != model.version
            version = self.heads[model.newest(newest)].version
            rejected = (waits and newest in model.rejected) or (newest, version) in model.rejected_versions
            assert {hold.kind.value for hold in status.holds} == {
                kind
                for kind, holds in (("pin", model.pinned), ("rejected", rejected))
                if holds and (waits or still)
            }
            assert status.held == (waits or still)
            behind = (
                len(self.heads)
                - 1
                - max(n for n, head in enumerate(self.heads) if head.version == model.version)
            )
            assert (status.behind.versions if status.behind else 0) == behind

    @invariant()
    def the_rows_agree(self) -> None:
        if self.dags:
            invariants.check(self.database.engine())


@pytest.mark.slow
def test_no_rejected_place_runs_by_itself_no_push_is_ignored_and_none_goes_back_in_time(sqlite: Any) -> None:
    from hypothesis.stateful import run_state_machine_as_test

    Machine.source = sqlite
    run_state_machine_as_test(Machine, settings=machine(examples=12, steps=25))
