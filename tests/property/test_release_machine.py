"""The decisions of the core against a dictionary that knows only what the words mean."""

from __future__ import annotations

from typing import Any, assert_never

import pytest
from attrs import evolve
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from harness.builds import build
from harness.hypothesis_profiles import machine
from pinwheel.core.errors import Conflict, InvalidInput, NotFound, Refused
from pinwheel.core.release.decide import Command, Decision, Lift, Reject, Release, SetTrack, Verb, decide
from pinwheel.core.release.rejection import Rejection
from pinwheel.core.release.state import DagState, Kind, Track
from pinwheel.core.release.why_held import waits


class Machine(RuleBasedStateMachine):
    """``model`` is what a user expects; ``state`` is what the decisions, carried out, lead to."""

    @initialize(versioned=st.sampled_from([True, True, True, False]))
    def begin(self, versioned: bool) -> None:
        self.state = DagState(dag_id="d", bundle_name="dags", versioned=versioned)
        self.model: dict[str, Any] = {"pinned": False, "active": None, "newest": None, "retired": False}
        self.rejected: set[int] = set()
        self.builds = self.heads = self.rejections = 0
        self.shown: list[int] = []
        """Builds in the order in which a head showed each last."""
        self.ledger: list[tuple[int, int, Kind]] = []

    # what is asked

    @rule()
    def a_new_build_arrives(self) -> None:
        self.builds += 1
        self._arrive(self.builds)

    @precondition(lambda self: self.builds)
    @rule(data=st.data())
    def a_known_build_comes_back(self, data: st.DataObject) -> None:
        self._arrive(data.draw(st.integers(1, self.builds)))

    def _arrive(self, number: int) -> None:
        self.shown = [*(each for each in self.shown if each != number), number]
        self.heads += 1
        shown = {**self.state.shown, build(number).id: self.heads}
        self.state = evolve(self.state, newest_build=build(number), shown=shown)
        self.model["newest"] = number
        if not self.model["pinned"] and number not in self.rejected:
            self.model |= {"active": number, "retired": False}
        self._do(Verb.ARRIVE, number)

    @rule()
    def it_is_gone_from_its_bundle(self) -> None:
        if self.model["active"] and not self.model["pinned"]:
            self.model["retired"] = True
        self._do(Verb.RETIRE)

    @rule(data=st.data(), given=st.booleans(), why=st.booleans())
    def promote(self, data: st.DataObject, given: bool, why: bool) -> None:
        target = self._target(data, given) or self.model["newest"]
        if not self.state.versioned:
            return self._refused(Refused, Verb.PROMOTE, target)
        if target is None:
            return self._refused(NotFound, Verb.PROMOTE)
        if self.model["retired"] and not self.model["pinned"]:
            return self._refused(Refused, Verb.PROMOTE, target)
        active = self.model["active"]
        if active and not self.model["retired"] and self.shown.index(target) < self.shown.index(active):
            return self._refused(Refused, Verb.PROMOTE, target)
        if target != active or self.model["retired"]:
            if target in self.rejected and not why:
                return self._refused(Refused, Verb.PROMOTE, target)
            self.rejected.discard(target)
        self.model |= {"active": target, "retired": False}
        self._do(Verb.PROMOTE, target, why=why)

    @rule(data=st.data(), given=st.booleans(), why=st.booleans())
    def pin(self, data: st.DataObject, given: bool, why: bool) -> None:
        target = self._target(data, given)
        if not self.state.versioned:
            return self._refused(Refused, Verb.PIN, target)
        if (target or self.model["active"]) is None:
            return self._refused(NotFound, Verb.PIN)
        released = target or self.model["active"]
        if released != self.model["active"] or self.model["retired"]:
            if released in self.rejected and not why:
                return self._refused(Refused, Verb.PIN, target)
            self.rejected.discard(released)
        self.model |= {"pinned": True, "active": released, "retired": False}
        self._do(Verb.PIN, target, why=why)

    @rule(data=st.data(), given=st.sampled_from([False, False, True]))
    def unpin(self, data: st.DataObject, given: bool) -> None:
        target = self._target(data, given)
        if not self.state.versioned:
            return self._refused(Refused, Verb.UNPIN, target)
        if target is not None:
            return self._refused(InvalidInput, Verb.UNPIN, target)
        if self.model["pinned"]:
            self.model["pinned"] = False
            if self.model["newest"] not in self.rejected:
                self.model["active"] = self.model["newest"]
        self._do(Verb.UNPIN)

    @rule(data=st.data(), why=st.booleans(), to_blame=st.booleans())
    def roll_back(self, data: st.DataObject, why: bool, to_blame: bool) -> None:
        target = self._target(data, True)
        if not self.state.versioned:
            return self._refused(Refused, Verb.ROLLBACK, target)
        if target is None:
            return self._refused(NotFound, Verb.ROLLBACK)
        active, retired = self.model["active"], self.model["retired"]
        if target != active or retired:
            if target in self.rejected and not why:
                return self._refused(Refused, Verb.ROLLBACK, target)
            self.rejected.discard(target)
            if to_blame and active and not retired:
                self.rejected.add(active)
        self.model |= {"pinned": True, "active": target, "retired": False}
        self._do(Verb.ROLLBACK, target, why=why, to_blame=to_blame)

    @precondition(lambda self: self.builds and self.state.versioned)
    @rule(data=st.data())
    def reject(self, data: st.DataObject) -> None:
        target = data.draw(st.integers(1, self.builds))
        self.rejected.add(target)
        self._do(Verb.REJECT, target)

    @precondition(lambda self: self.builds and self.state.versioned)
    @rule(data=st.data())
    def lift(self, data: st.DataObject) -> None:
        target = data.draw(st.integers(1, self.builds))
        free = not self.model["pinned"] and not self.model["retired"]
        if free and target in self.rejected and target == self.model["newest"] and self.model["active"]:
            self.model["active"] = target
        self.rejected.discard(target)
        self._do(Verb.LIFT, target)

    @rule(verb=st.sampled_from(list(Verb)), off=st.integers(1, 3))
    def from_a_stale_view(self, verb: Verb, off: int) -> None:
        stale = (self.state.active_release or 0) + off
        with pytest.raises(Conflict) as caught:
            decide(self.state, Command(verb=verb, build=self.state.newest_build, expected_release=stale))
        assert caught.value.facts["active_release"] == self.state.active_release

    # how it is carried out

    def _target(self, data: st.DataObject, given: bool) -> int | None:
        return data.draw(st.integers(1, self.builds)) if given and self.builds else None

    def _command(
        self, verb: Verb, number: int | None, *, why: bool = False, to_blame: bool = True
    ) -> Command:
        return Command(
            verb=verb,
            build=build(number) if number else None,
            reason="it was right" if why else None,
            to_blame=to_blame,
            expected_release=self.state.active_release,
        )

    def _refused(self, error: type[Exception], verb: Verb, number: int | None = None) -> None:
        with pytest.raises(error):
            decide(self.state, self._command(verb, number))

    def _do(self, verb: Verb, number: int | None = None, *, why: bool = False, to_blame: bool = True) -> None:
        command = self._command(verb, number, why=why, to_blame=to_blame)
        decision = decide(self.state, command)
        assert decision == decide(self.state, command), "the plan is not what is carried out"
        before = self.state
        self.state = self._carried_out(decision)
        again = decide(self.state, evolve(command, expected_release=self.state.active_release))
        # A second rollback says who holds the Dag now, and why.
        twice = (SetTrack(track=Track.PINNED),) if verb is Verb.ROLLBACK else ()
        assert again.steps == twice, f"{verb} twice is not once: {again}"
        if not decision.changes:
            assert self.state == before

    def _carried_out(self, decision: Decision) -> DagState:
        state = self.state
        for step in decision.steps:
            match step:
                case Release():
                    number = (state.active_release or 0) + 1
                    self.ledger.append((number, step.build.build, step.kind))
                    state = evolve(
                        state,
                        active_release=number,
                        active_build=step.build,
                        retired=step.kind is Kind.RETIRE,
                    )
                case SetTrack():
                    state = evolve(state, track=step.track)
                case Reject():
                    self.rejections += 1
                    made = Rejection(
                        id=self.rejections,
                        dag_id="d",
                        build_id=step.build.id,
                        inputs_digest=step.inputs_digest,
                        actor="ada",
                        reason=None,
                        at=step.build.created_at,
                    )
                    state = evolve(state, rejections=(*state.rejections, made))
                case Lift():
                    left = tuple(each for each in state.rejections if each not in step.rejections)
                    state = evolve(state, rejections=left)
                case _:
                    assert_never(step)
        return state

    # what must always hold

    @invariant()
    def active_is_what_the_model_says(self) -> None:
        if not hasattr(self, "model"):
            return
        active = self.state.active_build.build if self.state.active_build else None
        assert active == self.model["active"]
        assert self.state.retired == self.model["retired"]
        assert (self.state.track is Track.PINNED) == self.model["pinned"]
        assert waits(self.state) == (active is not None and self.model["newest"] != active)

    @invariant()
    def numbers_rise_and_the_last_is_active(self) -> None:
        if not hasattr(self, "model"):
            return
        numbers = [number for number, _, _ in self.ledger]
        assert numbers == sorted(set(numbers))
        if self.ledger:
            assert self.ledger[-1][:2] == (self.state.active_release, self.model["active"])

    @invariant()
    def only_behind_a_pin_or_a_rejection_a_newest_build_waits(self) -> None:
        if not hasattr(self, "model") or self.model["retired"] or not self.model["newest"]:
            return
        held = self.model["pinned"] or self.model["newest"] in self.rejected
        assert held or not waits(self.state) or self.ledger[-1][2] is Kind.PROMOTE

    @invariant()
    def what_is_rejected_is_what_the_model_says(self) -> None:
        if hasattr(self, "model"):
            assert {each.build_id - 100 for each in self.state.rejections} == self.rejected


TestReleaseMachine = Machine.TestCase
TestReleaseMachine.settings = machine(examples=150, steps=40)
