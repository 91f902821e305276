"""Events that are told in one line: of one change, of one commit; and what is searched."""

from __future__ import annotations

from typing import Any

import pytest

from harness.in_memory import InMemory
from harness.pushing import BROKEN, File
from pinwheel.core.release.decide import Verb
from pinwheel.services.show import events
from pinwheel.services.show.events import EventView


@pytest.fixture
def many(empty: InMemory) -> InMemory:
    """Five Dags with two builds each."""
    for body in range(2):
        empty.push(**{name: File(body=body) for name in "abcde"})
    return empty


def told(world: InMemory, **more: Any) -> list[EventView]:
    return events.events(world.host, fold=True, **more)


def counts(views: list[EventView]) -> list[tuple[str, int, int]]:
    return [(str(view.kind), view.alike.events, view.alike.dags) for view in views]  # type: ignore[union-attr]


def test_a_batch_is_one_line_that_opens_to_each_of_its_events(many: InMemory) -> None:
    many.do_all(Verb.ROLLBACK, *"abcd", reason="bad feed")
    many.do(Verb.PIN, "e", reason="as well")
    pin, rollback = told(many, kinds=["pin", "rollback"])
    assert counts([pin, rollback]) == [("pin", 1, 1), ("rollback", 4, 4)]
    within = events.events(many.host, batch=rollback.batch, kinds=["rollback"])
    assert [view.dag_id for view in within] == list("dcba")
    assert pin.batch != rollback.batch


def test_what_one_commit_brought_is_one_line_a_kind(many: InMemory) -> None:
    found = counts(told(many))
    assert found == [("auto", 5, 5), ("build", 5, 5)] * 2


def test_one_commit_is_one_line_also_where_its_files_were_taken_in_one_by_one(many: InMemory) -> None:
    whole = events.events(many.host, kinds=["build"])
    batches = {view.bundle_version: view.batch for view in whole}
    assert len(batches) == len(set(batches.values())) == 2


def test_one_error_is_one_line_with_its_files_counted_and_another_error_is_another(many: InMemory) -> None:
    many.push(a=BROKEN, b=BROKEN, c=BROKEN)
    (broken,) = told(many, kinds=["broken"])
    assert counts([broken]) == [("broken", 3, 3)]
    assert broken.alike.paths == 3  # type: ignore[union-attr]
    many.push(a=File(body=7), b=File(body=7), c=File(body=7))
    many.push(a=BROKEN)
    assert counts(told(many, kinds=["broken"])) == [("broken", 1, 1), ("broken", 3, 3)]


def test_a_page_counts_lines_and_none_is_told_twice(many: InMemory) -> None:
    for verb in (Verb.PIN, Verb.UNPIN, Verb.PIN):
        many.do_all(verb, *"abcde")
    whole = counts(told(many))
    paged: list[EventView] = []
    while page := told(many, limit=2, before_id=paged[-1].id if paged else None):
        assert len(page) <= 2
        paged += page
    assert counts(paged) == whole
    assert len({view.id for view in paged}) == len(paged)


def test_what_may_not_be_seen_is_neither_told_nor_counted(many: InMemory) -> None:
    many.do_all(Verb.PIN, *"abcde")
    (pin,) = told(many, kinds=["pin"], dag_ids=["b", "c"])
    assert (pin.dag_id, counts([pin])) == ("c", [("pin", 2, 2)])
    assert told(many, kinds=["pin"], dag_ids=["z"]) == []


def test_an_event_of_before_batches_were_kept_is_told_by_itself(many: InMemory) -> None:
    from pinwheel.store import tables as t

    many.do_all(Verb.PIN, *"ab")
    many.host.unit.run(lambda s: s.execute(t.event.update().values(batch=None)))
    assert counts(told(many, kinds=["pin"])) == [("pin", 1, 1)] * 2


def test_reasons_are_searched_in_letters_of_either_case_and_signs_mean_themselves(many: InMemory) -> None:
    many.do(Verb.PIN, "a", reason="Month-end closing, 100% sure")
    many.do(Verb.PIN, "b", reason="month_end")

    def found(text: str) -> list[str | None]:
        return [view.dag_id for view in events.events(many.host, kinds=["pin"], search=text)]

    assert found("MONTH") == ["b", "a"]
    assert found("100%") == ["a"]
    assert found("%") == ["a"]
    assert found("h_e") == ["b"]
    assert found("'; --") == []


def test_what_tells_of_a_bundle_is_not_searched(many: InMemory) -> None:
    """Not everybody may read it, and a hit would tell."""
    from pinwheel.services.ingest import faults

    faults.record(many.host, bundle_name="dags", place="refresh", error="secret path", version=None)
    assert events.events(many.host, kinds=["fault"])
    assert events.events(many.host, search="secret") == []


def test_an_event_names_the_commit_that_it_is_about(many: InMemory) -> None:
    many.do(Verb.ROLLBACK, "a", reason="back")
    (event,) = many.events("rollback")
    first = many.versions()[0]
    assert event.commit.version == first
    assert event.commit.url == f"https://git/{first}"


# Long pages


def test_a_page_of_a_thousand_lines_is_one_that_can_be_asked_for(empty: InMemory) -> None:
    from pinwheel.core.event import EventKind
    from pinwheel.store import events as store

    now = empty.host.unit.now()
    lines = [(kind, f"batch {number}") for number in range(600) for kind in (EventKind.PIN, EventKind.BROKEN)]

    def write(session: Any) -> None:
        for kind, batch in lines:
            for dag_id in "ab":
                path = {"path": f"{dag_id}.py"} if kind is EventKind.BROKEN else {}
                store.add(session, kind, now=now, actor="ada", dag_id=dag_id, details=path, batch=batch)

    empty.host.unit.run(write)
    page = told(empty, limit=1000)
    assert counts(page) == [(str(kind), 2, 2) for kind, _ in reversed(lines[-1000:])]
    paths = [view.alike.paths for view in page]  # type: ignore[union-attr]
    assert paths == [2, None] * 500


def test_the_files_of_a_page_of_errors_are_counted_in_one_question(
    many: InMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pinwheel.store import events as store

    for dag_ids in ("ab", "cde", "abc"):
        many.push(**{dag_id: BROKEN for dag_id in dag_ids})
    asked: list[list[str]] = []
    count = store.paths

    def noted(session: Any, wanted: Any, batches: Any) -> dict[str, int]:
        asked.append(sorted(batches))
        return count(session, wanted, batches)

    monkeypatch.setattr(store, "paths", noted)
    broken = told(many, kinds=["broken"])
    assert [view.alike.paths for view in broken] == [3, 3, 2]  # type: ignore[union-attr]
    assert asked == [sorted({view.batch or "" for view in broken})]
    monkeypatch.setattr(events, "MOST_OF_A_PAGE", 5)
    assert [view.alike.paths for view in told(many, kinds=["broken"])] == [3, None, 2]  # type: ignore[union-attr]


def test_what_a_version_brings_again_is_a_line_of_its_own(many: InMemory) -> None:
    first, second = many.versions()
    for body, version in ((0, first), (1, second), (0, first)):
        many.airflow.tick(60)
        many.pusher.push({name: File(body=body) for name in "abcde"}, version=version)
    found = told(many, kinds=["auto"])
    assert counts(found) == [("auto", 5, 5)] * 5
    assert len({view.batch for view in found}) == 5
