"""What a try used, against a naive world that notes what each try really ran when it begins."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest
from attrs import define, evolve, field
from hypothesis import given
from hypothesis import strategies as st

from pinwheel.core.run.binding import Binding, BoundBy, Present, Tries, Try, used, versions_of

TASKS = [("a", -1), ("m", 0), ("m", 1), ("m", 2)]
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def version(number: int) -> UUID:
    return UUID(int=number)


@define
class World:
    """One run: its tasks, its bindings, and the truth about each try."""

    number: int = 1
    """Of the version that tasks run on from now on."""
    states: dict[tuple[str, int], tuple[int, str | None]] = field(
        factory=lambda: {key: (0, None) for key in TASKS}
    )
    truth: dict[tuple[str, int, int], int] = field(factory=dict)
    bound: list[Binding] = field(factory=list)

    def schedule(self, key: tuple[str, int]) -> None:
        """The try has its number; what it runs is fixed when it begins."""
        tries, state = self.states[key]
        if state not in ("running", "scheduled"):
            self.states[key] = (tries + 1, "scheduled")

    def begin(self, key: tuple[str, int]) -> None:
        self.schedule(key)
        tries, state = self.states[key]
        if state == "scheduled":
            self.states[key] = (tries, "running")
            self.truth[(*key, tries)] = self.number

    def end(self, key: tuple[str, int], state: str) -> None:
        tries, now = self.states[key]
        if now == "running":
            self.states[key] = (tries, state)

    def note(self, seq: int, *, late: bool = False, sure: bool = True, silent: bool = False) -> None:
        present = [
            Present(task_id=task, map_index=index, begun=tries - (state == "scheduled"), state=state)
            for (task, index), (tries, state) in self.states.items()
        ]
        tries = None if silent or not seq else Tries.of(present, late=late, sure=sure)
        binding = Binding(
            dag_id="d",
            run_id="r",
            seq=seq,
            dag_version_id=version(self.number),
            bundle_version=f"c{self.number}",
            bound_by=BoundBy.ACTIVE,
            actor=None,
            bound_at=NOW,
            release=None,
            build_id=None,
            tries=None if tries is None else tries.as_json(),
        )
        assert binding.tries == tries, "it is the same when it is read back"
        self.bound.append(binding)

    def play(self, act: tuple[object, ...]) -> bool:
        """What the tasks do; False: it is no act of theirs."""
        match act:
            case ("schedule", key):
                self.schedule(key)
            case ("begin", key):
                self.begin(key)
            case ("end", key, state):
                self.end(key, state)
            case _:
                return False
        return True

    def tries(self) -> list[Try]:
        return [
            Try(
                task_id=task,
                map_index=index,
                try_number=number,
                executed=True,
                current=number == self.states[task, index][0],
                dag_version_id=version(99),
            )
            for task, index, number in self.truth
        ]


ACTS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["schedule", "begin"]), st.sampled_from(TASKS)),
        st.tuples(
            st.just("end"), st.sampled_from(TASKS), st.sampled_from(["success", "failed", "up_for_retry"])
        ),
        st.tuples(
            st.just("bind"), st.integers(1, 3), st.sampled_from(["at once", "a turn later", "late", "silent"])
        ),
    ),
    max_size=30,
)


@given(seen=st.booleans(), acts=ACTS, between=st.lists(st.sampled_from(TASKS), max_size=3, unique=True))
def test_a_try_is_told_with_what_it_ran_or_as_not_known(
    seen: bool, acts: list[tuple[object, ...]], between: list[tuple[str, int]]
) -> None:
    world, seq, vague = World(), 0, False
    if seen:
        world.note(0)
    for act in acts:
        if world.play(act):
            continue
        _, number, how = act
        seq += 1
        world.number = number
        if how == "at once":
            world.note(seq)
            continue
        vague = True
        if how != "silent":
            # What goes on between the clear and the look at it: one try of each of these tasks.
            for key in between:
                world.begin(key)
        world.note(seq, late=how != "silent", sure=how != "late", silent=how == "silent")
    for item in world.tries():
        told = used(world.bound, item)
        real = world.truth[item.task_id, item.map_index, item.try_number]
        if told.binding is not None:
            assert (told.dag_version_id, told.bundle_version) == (version(real), f"c{real}")
        elif told.dag_version_id is not None:
            assert told.dag_version_id == version(99) and (not seen), "only of what ran before Pinwheel"
        if not vague and seen:
            assert told.binding is not None, "where all was noted at once, nothing is unknown"
    known = {used(world.bound, item).dag_version_id for item in world.tries()}
    whole = versions_of(
        world.bound,
        clear_number=seq,
        dag_version_id=version(world.number),
        tries=world.tries(),
        said=[version(99)],
    )
    assert whole.current == version(world.number) and whole.used[-1] == whole.current
    if world.bound:
        assert known <= set(whole.used)


@given(acts=ACTS)
def test_clocks_and_what_the_rows_say_now_change_no_answer(acts: list[tuple[object, ...]]) -> None:
    world, seq = World(), 0
    world.note(0)
    for act in acts:
        if not world.play(act):
            seq += 1
            _, world.number, _ = act
            world.note(seq)
    moved = [
        evolve(
            binding,
            bound_at=datetime(1999, 1, 1, tzinfo=UTC),
            tries=None if binding.tries is None else binding.tries.as_json(),
        )
        for binding in world.bound
    ]
    for item in world.tries():
        before = used(world.bound, item)
        after = used(moved, evolve(item, dag_version_id=version(7)))
        assert (before.dag_version_id, before.bundle_version) == (after.dag_version_id, after.bundle_version)


@pytest.mark.parametrize(
    ("stood", "how", "told"),
    [
        pytest.param("skipped", {}, 1, id="it was marked before and not cleared"),
        pytest.param(None, {}, 2, id="it was cleared and marked anew"),
        pytest.param("upstream_failed", {"late": True}, None, id="it may have been marked before or after"),
        pytest.param("skipped", {"sure": False}, None, id="nobody watched"),
    ],
)
def test_what_was_only_marked_is_told_by_how_it_stood_when_the_run_was_bound_again(
    stood: str | None, how: dict[str, bool], told: int | None
) -> None:
    world = World()
    world.note(0)
    world.states["a", -1] = (0, stood)
    world.number = 2
    world.note(1, **how)
    item = Try(
        task_id="a", map_index=-1, try_number=0, executed=False, current=True, dag_version_id=version(99)
    )
    assert used(world.bound, item).dag_version_id == (version(told) if told else None)
