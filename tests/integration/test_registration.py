"""What a parse gave on its way into the database: many files at once, and files that were parsed before."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest
import sqlalchemy as sa

from harness import asked, faults
from harness.prebuilt import BROKEN, Prebuilt, Text
from pinwheel.core.errors import Refused
from pinwheel.core.release.decide import Verb
from pinwheel.services import change


@pytest.fixture
def pusher(airflow_database: Any) -> Prebuilt:
    return Prebuilt()


def rows(database: Any, query: str, **values: Any) -> list[Any]:
    with database.engine().connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(query), values)]


def pushed(pusher: Prebuilt, texts: dict[str, Text | None]) -> list[tuple[str, int]]:
    """Push these, as few transactions as a processor needs; each file with the id of its parse."""
    from pinwheel.services.ingest import register
    from pinwheel.store import files

    pusher.files = dict(texts)
    version, seq = pusher.advance()
    register.register_all(pusher.host, [pusher.parsed(d, version=version, seq=seq) for d in texts])
    pusher.settle(seq)
    known = pusher.host.unit.run(lambda s: files.of_bundle(s, pusher.bundle_name))
    return [(path, row.parse_id) for path, row in sorted(known.items())]


def reuse(pusher: Prebuilt, wanted: list[tuple[str, int]], **kwargs: Any) -> set[str]:
    from pinwheel.services.ingest import register

    version, seq = pusher.advance()
    name = pusher.bundle_name
    return register.reuse_all(
        pusher.host, bundle_name=name, bundle_version=version, seq=seq, files=wanted, **kwargs
    )


def active(database: Any) -> dict[str, int]:
    return dict(
        rows(
            database,
            "SELECT d.dag_id, b.build FROM pinwheel_dag d JOIN pinwheel_build b ON b.id = d.active_build_id",
        )
    )


def test_what_a_commit_brings_back_is_released_again_without_a_parse(
    pusher: Prebuilt, airflow_database: Any
) -> None:
    before = pushed(pusher, {"a": Text(), "b": Text(), "c": BROKEN})
    pushed(pusher, {"a": Text(body=1), "b": Text("daily"), "c": Text()})
    assert active(airflow_database) == {"a": 2, "b": 2, "c": 1}
    assert reuse(pusher, before) == {"a.py", "b.py", "c.py"}
    # What was broken then is broken again: its Dag stays.
    assert active(airflow_database) == {"a": 1, "b": 1, "c": 1}
    query = "SELECT relative_fileloc FROM pinwheel_file WHERE error IS NOT NULL"
    assert rows(airflow_database, query) == [("c.py",)]
    assert rows(airflow_database, "SELECT filename FROM import_error") == [("c.py",)]
    assert rows(airflow_database, "SELECT dag_id FROM pinwheel_broken_build") == [("c",)]


def test_what_an_older_version_brings_back_is_not_taken_once_there_is_a_newer_one(
    pusher: Prebuilt, airflow_database: Any
) -> None:
    from pinwheel.services.ingest import register

    before = pushed(pusher, {"a": Text(), "b": Text()})
    pushed(pusher, {"a": Text(body=1), "b": Text(body=1)})
    version, seq = pusher.advance()
    newer, newest = pusher.advance()
    pusher.register("a", version=newer, seq=newest, text=Text(body=2))
    register.reuse_all(
        pusher.host, bundle_name=pusher.bundle_name, bundle_version=version, seq=seq, files=before
    )
    # What b gives in the newest nobody knows yet, so it stays as it is.
    assert active(airflow_database) == {"a": 3, "b": 2}


@pytest.mark.parametrize("parsed_again", [False, True])
def test_what_a_revert_brings_back_behind_a_pin_can_be_promoted(
    pusher: Prebuilt, airflow_database: Any, parsed_again: bool
) -> None:
    """As unpin would release it. Then the build that was active is the older one, whatever its number."""
    before = pushed(pusher, {"a": Text()})
    pushed(pusher, {"a": Text(body=1)})
    changed(pusher, Verb.PIN)
    if parsed_again:
        pushed(pusher, {"a": Text()})
    else:
        reuse(pusher, before)
    assert active(airflow_database) == {"a": 2}
    assert changed(pusher, Verb.PROMOTE, build=1).release == 3
    assert active(airflow_database) == {"a": 1}
    with pytest.raises(Refused, match="build 1, which is newer, is active") as caught:
        changed(pusher, Verb.PROMOTE, build=2)
    assert "pinwheel rollback a --build 2" in caught.value.remedy
    pushed(pusher, {"a": Text(body=2)})
    with pytest.raises(Refused):
        changed(pusher, Verb.PROMOTE, build=2)
    changed(pusher, Verb.ROLLBACK, build=2, to_blame=False)
    # Neither is the newest, and the lower number is the newer build.
    assert changed(pusher, Verb.PROMOTE, build=1).changed


def test_what_a_forced_push_brings_back_behind_a_pin_can_be_promoted(
    pusher: Prebuilt, airflow_database: Any
) -> None:
    """The older version itself is the head again, with a new place in the order."""
    before = pushed(pusher, {"a": Text()})
    pushed(pusher, {"a": Text(body=1)})
    changed(pusher, Verb.PIN)
    pusher.pushes = 0
    reuse(pusher, before)
    assert changed(pusher, Verb.PROMOTE, build=1).changed
    assert active(airflow_database) == {"a": 1}


def changed(pusher: Prebuilt, verb: Verb, **more: Any) -> Any:
    (outcome,) = change.apply(pusher.host, asked.change(verb=verb, dag_ids=["a"], actor="ada", **more))
    return outcome


def test_many_files_that_come_back_take_few_statements_and_let_the_loop_beat(
    pusher: Prebuilt, airflow_database: Any
) -> None:
    from pinwheel.services.ingest import register

    ids = [f"dag_{n:03}" for n in range(register.TOGETHER)]
    before = pushed(pusher, {dag_id: Text() for dag_id in ids})
    pushed(pusher, {dag_id: Text(body=1) for dag_id in ids})
    reuse(pusher, before[:1])
    few = statements(lambda: reuse(pusher, before[1:6]))
    many = statements(lambda: reuse(pusher, before[6:]))
    # Airflow's own bulk write asks some things once for each Dag; ours are the same for 5 and for 44.
    assert {s: n for s, n in many.items() if "pinwheel_" in s and n > few[s]} == {}
    assert set(active(airflow_database).values()) == {1}

    beats: list[int] = []
    again = pushed(pusher, {dag_id: Text(body=2) for dag_id in [*ids, "one_more"]})
    pushed(pusher, {dag_id: Text(body=3) for dag_id in [*ids, "one_more"]})
    assert len(reuse(pusher, again, between=lambda: beats.append(1))) == len(ids) + 1
    assert len(beats) == 2


def statements(work: Any) -> Counter[str]:
    with faults.Points(faults.airflow_engine()) as points:
        work()
    # However many values a statement has, it is one.
    plain = [re.sub(r"%\(\w+\)s(::\w+)?", "?", seen) for seen in points.seen]
    return Counter(re.sub(r"\(\)(, \(\))+", "()", re.sub(r"\([^()]*\)", "()", seen)) for seen in plain)
