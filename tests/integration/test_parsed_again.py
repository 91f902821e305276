"""Files that are parsed again and again: what stays the same leaves nothing behind, and what varies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from attrs import evolve

from harness.prebuilt import Prebuilt, Text, start_run
from pinwheel.core.build import BuildContent
from pinwheel.services.ingest import register
from pinwheel.services.ingest.builds import REWRITE_AFTER, ParsedFile

IMPURE = ({"kind": "variable", "name": "answer"},)
CLOCK = ({"kind": "clock", "name": "now"},)


@pytest.fixture
def pusher(airflow_database: Any) -> Prebuilt:
    return Prebuilt()


def rows(database: Any, query: str, **values: Any) -> list[Any]:
    with database.engine().connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(query), values)]


def count(database: Any, table: str) -> int:
    return int(rows(database, f"SELECT count(*) FROM {table}")[0][0])


def described(parsed: ParsedFile, description: str) -> ParsedFile:
    """The same parse, had the Dag this description by then."""
    contents: list[BuildContent] = []
    for content in parsed.contents:
        serialized = json.loads(json.dumps(content.serialized))
        serialized["dag"]["description"] = description
        contents.append(evolve(content, serialized=serialized))
    return evolve(parsed, contents=contents)


class Clock:
    """The present, as the services see it."""

    def __init__(self, pusher: Prebuilt, monkeypatch: pytest.MonkeyPatch) -> None:
        self.at: datetime = pusher.host.unit.now()
        monkeypatch.setattr(type(pusher.host.unit), "now", lambda unit: self.at)

    def pass_by(self, **time: float) -> None:
        self.at += timedelta(**time)


@pytest.fixture
def clock(pusher: Prebuilt, monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(pusher, monkeypatch)


def parses(database: Any) -> list[Any]:
    return rows(database, "SELECT id, parsed_at FROM pinwheel_parse ORDER BY id")


def test_an_impure_file_that_gives_the_same_again_leaves_one_parse(
    pusher: Prebuilt, clock: Clock, airflow_database: Any
) -> None:
    pusher.push({"a": Text()})
    version, seq = pusher.advance()
    parsed = evolve(pusher.parsed("a", version=version, seq=seq, text=Text(body=1)), impure=IMPURE)
    register.register(pusher.host, parsed)
    ((first, _), (second, before)) = parses(airflow_database)
    for _ in range(10):
        clock.pass_by(seconds=30)
        register.register(pusher.host, parsed)
    ((kept, _), (again, after)) = parses(airflow_database)
    assert (kept, again) == (first, second) and after > before
    assert rows(airflow_database, "SELECT parse_id FROM pinwheel_file") == [(second,)]
    # What it gave is another matter
    register.register(pusher.host, described(parsed, "another"))
    assert [row[0] for row in parses(airflow_database)][:2] == [first, second]
    assert count(airflow_database, "pinwheel_parse") == 3


def test_a_broken_impure_file_that_fails_the_same_again_leaves_one_parse(
    pusher: Prebuilt, airflow_database: Any
) -> None:
    pusher.push({"a": Text()})
    version, seq = pusher.advance()
    parsed = evolve(pusher.parsed("a", version=version, seq=seq, text=None), impure=IMPURE)
    for _ in range(5):
        register.register(pusher.host, parsed)
    assert count(airflow_database, "pinwheel_parse") == 2


def test_what_alternates_leaves_a_parse_of_each(pusher: Prebuilt, airflow_database: Any) -> None:
    pusher.push({"a": Text()})
    version, seq = pusher.advance()
    states = [
        evolve(pusher.parsed("a", version=version, seq=seq, text=text), impure=IMPURE)
        for text in (Text(body=1), Text(body=2))
    ]
    for _ in range(5):
        for parsed in states:
            register.register(pusher.host, parsed)
    assert count(airflow_database, "pinwheel_parse") == 3
    (known,) = rows(airflow_database, "SELECT max(id) FROM pinwheel_parse")
    assert rows(airflow_database, "SELECT parse_id FROM pinwheel_file") == [known]


@contextmanager
def statements(database: Any) -> Iterator[list[str]]:
    from airflow import settings

    seen: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if statement.lstrip()[:6].upper() in ("INSERT", "UPDATE", "DELETE"):
            seen.append(" ".join(statement.split()[:3]))

    sa.event.listen(settings.engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        sa.event.remove(settings.engine, "before_cursor_execute", note)


def unstable(pusher: Prebuilt, times: int, clock: Clock, start: int = 0) -> None:
    version, seq = pusher.advance()
    parsed = evolve(pusher.parsed("a", version=version, seq=seq), impure=CLOCK)
    for number in range(start, start + times):
        register.register(pusher.host, described(parsed, f"parsed {number}"))
        clock.pass_by(seconds=30)


def description(database: Any) -> str:
    ((found,),) = rows(database, "SELECT description FROM dag WHERE dag_id = 'a'")
    return str(found)


def test_an_unstable_dag_leaves_one_event_that_counts_and_no_audit_rows(
    pusher: Prebuilt, clock: Clock, airflow_database: Any
) -> None:
    pusher.push({"a": Text()})
    unstable(pusher, 2, clock)
    before = {table: count(airflow_database, table) for table in ("log", "pinwheel_event", "dag_version")}
    with statements(airflow_database) as seen:
        unstable(pusher, 10, clock, start=2)
    written = [s for s in seen if s in ("UPDATE dag SET", "UPDATE serialized_dag SET", "INSERT INTO log")]
    assert written == ["UPDATE dag SET"], "it followed to the push, once"
    after = {table: count(airflow_database, table) for table in before}
    assert after == {**before, "pinwheel_event": before["pinwheel_event"] + 1}, "that of the push"
    kinds = dict(rows(airflow_database, "SELECT kind, count(*) FROM pinwheel_event GROUP BY kind"))
    assert (kinds["unstable"], kinds["folded"]) == (1, 1)
    from pinwheel.store import events

    (folded,) = [e for e in pusher.host.unit.run(events.listed) if e.kind == "folded"]
    assert folded.details["count"] == 12 and folded.details["build"] == 1
    assert folded.details["last_at"] == (clock.at - timedelta(seconds=30)).isoformat()


def test_what_an_unstable_dag_gives_is_taken_anew_when_the_last_was_taken_long_ago(
    pusher: Prebuilt, clock: Clock, airflow_database: Any
) -> None:
    """So one that changes once a day is up to date at once, and one that always changes is an hour old."""
    pusher.push({"a": Text()})
    unstable(pusher, 4, clock)
    assert description(airflow_database) == "parsed 0"
    clock.pass_by(seconds=REWRITE_AFTER)
    unstable(pusher, 3, clock, start=4)
    assert description(airflow_database) == "parsed 4"
    assert count(airflow_database, "dag_version") == 1
    kinds = dict(rows(airflow_database, "SELECT kind, count(*) FROM pinwheel_event GROUP BY kind"))
    assert (kinds["unstable"], kinds["folded"], kinds["auto"]) == (1, 1, 1)


def test_an_unstable_dag_that_ran_gets_a_build_of_its_own_and_is_counted_anew(
    pusher: Prebuilt, clock: Clock, airflow_database: Any
) -> None:
    pusher.push({"a": Text()})
    unstable(pusher, 2, clock)
    from harness.asked import trigger

    run = trigger(pusher.host, dag_id="a", actor="ada")
    start_run("a", run.run_id)
    unstable(pusher, 3, clock, start=2)
    assert description(airflow_database) == "parsed 2"
    from pinwheel.store import events

    folded = [e for e in pusher.host.unit.run(events.listed) if e.kind == "folded"]
    assert [e.details["build"] for e in folded] == [2, 1]
    assert [e.details["count"] for e in folded] == [2, 2]
