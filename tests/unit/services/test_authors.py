"""Who had a part in a place that begins to roll out, read from what the versions say."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve
from sqlalchemy import event, update

from harness.in_memory import InMemory
from harness.pushing import File
from harness.taking import take_in
from pinwheel.core.rollout.authors import SOMEBODY, People
from pinwheel.services.rules import authors
from pinwheel.services.rules.authors import Between
from pinwheel.store import builds, bundles
from pinwheel.store import tables as t

ADA, BOB = "Ada <ada@x>", "Bob <bob@x>"


def commit(person: str, *paths: str) -> dict[str, Any]:
    return {"people": [["author", person]], "paths": list(paths)}


@pytest.fixture
def made() -> InMemory:
    """Three versions: Ada's change of ``a`` came second, Bob's of ``b`` third."""
    world = InMemory()
    world.airflow.people = People(users={"ada@x": "ada", "bob@x": "bob"})
    world.push(a=File(), b=File())
    world.push(a=File(body=1))
    world.push(a=File(body=2), b=File(body=2))
    say(world, 2, [commit(ADA, "a.py")])
    say(world, 3, [commit(BOB, "b.py")])
    return world


def say(world: InMemory, seq: int, commits: list[Any] | None) -> None:
    query = update(t.bundle_version).where(t.bundle_version.c.seq == seq).values(contributors=commits)
    world.host.unit.run(lambda session: session.execute(query) and None)


def between(
    world: InMemory, dag_id: str = "a", *, after: int | None = 1, to: int = 3, **more: Any
) -> Between:
    found = world.host.unit.run(lambda s: builds.by_numbers(s, [(dag_id, n) for n in (1, 2)]))
    values = {"active": found[dag_id, 1], "candidate": found[dag_id, 2], "active_seq": after, "seq": to}
    return Between(**values | more)


def names(world: InMemory, *wanted: Between) -> list[list[str] | None]:
    asked = {str(number): each for number, each in enumerate(wanted)}
    found = world.host.unit.run(lambda s: authors.authors(world.host, s, asked))
    return [None if each is None else [author.name for author in each] for each in found.values()]


def test_each_dag_has_the_authors_of_its_own_inputs(made: InMemory) -> None:
    assert names(made, between(made), between(made, "b")) == [[ADA], [BOB]]
    wanted = {"a": between(made)}
    (found,) = made.host.unit.run(lambda s: authors.authors(made.host, s, wanted)).values()
    assert found is not None and [each.user for each in found] == ["ada"]


def test_what_came_with_the_place_in_force_does_not_count(made: InMemory) -> None:
    assert names(made, between(made, after=2), between(made, after=3), between(made, to=2)) == [[], [], [ADA]]


def test_who_removed_an_input_of_the_place_in_force_had_a_part(made: InMemory) -> None:
    removing = between(made, "b", active=between(made, "a").active)
    assert names(made, removing) == [[ADA, BOB]]


@pytest.mark.parametrize("path", ["pinwheel.yaml", "//pinwheel.yaml"])
def test_what_the_repository_says_of_pinwheel_is_an_input_of_every_dag(made: InMemory, path: str) -> None:
    say(made, 3, [commit(BOB, path)])
    assert names(made, between(made), between(made, after=2)) == [[ADA, BOB], [BOB]]


def test_of_what_is_not_known_somebody_unknown_is_an_author(made: InMemory) -> None:
    known = between(made)
    assert known.active is not None
    moved = evolve(known, active=evolve(known.active, bundle_name="other"))
    adopted = evolve(known, active=evolve(known.active, adopted=True))
    first = evolve(known, active=None, active_seq=None)
    assert names(made, moved, adopted, first) == [[ADA, SOMEBODY, SOMEBODY]] * 3
    say(made, 2, None)
    assert names(made, known, between(made, "b")) == [None, [BOB, SOMEBODY, SOMEBODY]]


def test_a_version_that_came_back_leaves_its_former_place_unknown(made: InMemory) -> None:
    second = made.host.unit.run(lambda s: dict(bundles.contributors(s, "dags", 0, 3, most=9)))
    assert list(second) == [1, 2, 3] and second[1] is None
    version = made.rows(t.bundle_version)[1].version
    files = {"a.py", "b.py"}
    take_in(
        made.host, "dags", version, files=files, changed=(), about={"contributors": [commit(BOB, "a.py")]}
    )
    assert names(made, between(made), between(made, to=4)) == [None, [BOB, SOMEBODY, SOMEBODY]]


def test_versions_further_back_than_anybody_looks_are_not_known(made: InMemory) -> None:
    found = made.host.unit.run(lambda s: bundles.contributors(s, "dags", 0, 3, most=1))
    assert found == {3: [commit(BOB, "b.py")]}


def test_many_dags_cost_as_many_statements_as_one(made: InMemory) -> None:
    def cost(count: int) -> int:
        seen: list[str] = []

        def work(session: Any) -> None:
            def note(*args: Any) -> None:
                seen.append(args[2])

            engine = session.get_bind()
            event.listen(engine, "before_cursor_execute", note)
            authors.authors(made.host, session, {str(n): between_all[n % 2] for n in range(count)})
            event.remove(engine, "before_cursor_execute", note)

        made.host.unit.run(work)
        return len(seen)

    between_all = [between(made), between(made, "b")]
    assert (cost(0), cost(1), cost(50)) == (0, 2, 2)
