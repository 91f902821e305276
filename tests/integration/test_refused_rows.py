"""What a parse gave and the database does not take: an import error of that file, and of no other."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from attrs import evolve

from harness import asked, faults
from harness.inprocess import bound_airflow
from harness.prebuilt import Prebuilt, Text


@pytest.fixture
def postgres_pusher(postgres: Any) -> Any:
    """On PostgreSQL: SQLite has no lengths and takes NUL, so it refuses next to nothing."""
    database = postgres.create()
    with bound_airflow(database):
        yield Prebuilt()
    database.drop()


def rows(pusher: Any, query: str, **values: Any) -> list[Any]:
    with faults.airflow_engine().connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(query), values)]


def arrive(pusher: Prebuilt, *files: Any) -> Any:
    """As the Dag processor takes results; those that wait for the database are left waiting."""
    from pinwheel.airflow3.processor.inbox import Arrivals

    arrivals = Arrivals(pusher.host)
    for file in files:
        arrivals.add(file)
    return arrivals.register(), arrivals


def with_dag(file: Any, **changes: Any) -> Any:
    """The parse, whose Dag says this."""
    (content,) = file.contents
    data = copy.deepcopy(dict(content.serialized))
    data["dag"] |= changes
    return evolve(file, contents=[evolve(content, serialized=data)])


def with_task(file: Any, **changes: Any) -> Any:
    (content,) = file.contents
    tasks = copy.deepcopy(content.serialized["dag"]["tasks"])
    tasks[0]["__var"] |= changes
    return with_dag(file, tasks=tasks)


def import_errors(pusher: Any) -> dict[str, str]:
    query = "SELECT filename, stacktrace FROM import_error WHERE bundle_name = :n"
    return dict(rows(pusher, query, n=pusher.bundle_name))


def active(pusher: Any) -> dict[str, int]:
    query = (
        "SELECT d.dag_id, b.build FROM pinwheel_dag d JOIN pinwheel_build b ON b.id = d.active_build_id"
        " WHERE NOT d.retired AND d.bundle_name = :n"
    )
    return dict(rows(pusher, query, n=pusher.bundle_name))


REFUSED: dict[str, tuple[Callable[[Any], Any], str]] = {
    "a NUL in doc_md": (lambda f: with_dag(f, doc_md="a\x00b"), "doc_md holds a NUL character"),
    "a NUL in the description": (lambda f: with_dag(f, description="\x00"), "description holds a NUL"),
    "a NUL in a tag": (lambda f: with_dag(f, tags=["a\x00"]), "tags[0] holds a NUL"),
    "a NUL in a task": (lambda f: with_task(f, doc_md="\x00"), "tasks[first].doc_md holds a NUL"),
    "a display name of 2,500 letters": (
        lambda f: with_dag(f, dag_display_name="x" * 2500),
        "column dag_display_name of table dag",
    ),
    "an owner link of 600 letters": (
        lambda f: with_dag(f, owner_links={"ada": "https://" + "x" * 600}),
        "table dag_owner_attributes",
    ),
    "a tag of 200 letters": (lambda f: with_dag(f, tags=["x" * 200]), "table dag_tag"),
    "a number that JSON does not know": (lambda f: with_task(f, pool_slots=float("nan")), "the number nan"),
    "half of a surrogate pair": (lambda f: with_dag(f, description="\ud800"), "half of a surrogate pair"),
    "what is no JSON": (lambda f: with_task(f, doc_md=object()), "not JSON serializable"),
}


@pytest.mark.postgres
def test_what_the_database_refuses_is_an_import_error_of_its_file_alone(postgres_pusher: Any) -> None:
    for number, (what, (change, reason)) in enumerate(REFUSED.items()):
        _check_refused(Prebuilt(f"bundle{number}"), str(number), change, reason, what)


def _check_refused(pusher: Prebuilt, n: str, change: Callable[[Any], Any], reason: str, what: str) -> None:
    odd_id, good_id, gone_id = f"odd{n}", f"good{n}", f"gone{n}"
    pusher.push({odd_id: Text(), good_id: Text(), gone_id: Text()})
    version, seq = pusher.advance()
    del pusher.files[gone_id]
    odd = change(pusher.parsed(odd_id, version=version, seq=seq, text=Text("daily")))
    good = pusher.parsed(good_id, version=version, seq=seq, text=Text("daily"))
    known, arrivals = arrive(pusher, odd, good)
    assert [file.path for file in known] == [f"{odd_id}.py", f"{good_id}.py"], what
    assert not arrivals.due(more_to_come=False)
    pusher.settle(seq)
    # The other file of the push is released, the deleted one's Dag is retired, the odd one stays as it is.
    assert active(pusher) == {odd_id: 1, good_id: 2}, what
    settled = "SELECT head_seq, settled_seq FROM pinwheel_bundle WHERE name = :n"
    assert rows(pusher, settled, n=pusher.bundle_name) == [(seq, seq)]
    (error,) = import_errors(pusher).values()
    assert reason in error and f"{odd_id}.py" in error and "push again" in error, what
    assert "Traceback" not in error and "\n" not in error and len(error) < 1000, error
    broken = "SELECT error FROM pinwheel_broken_build WHERE dag_id = :d"
    assert rows(pusher, broken, d=odd_id) == [(error,)]
    # Once a content: the next version with the same content finds the file as it is.
    parse = (
        "SELECT p.error, p.inputs_digest FROM pinwheel_file f JOIN pinwheel_parse p ON p.id = f.parse_id"
        " WHERE f.relative_fileloc = :p"
    )
    assert rows(pusher, parse, p=f"{odd_id}.py") == [(error, odd.inputs_digest)]
    # And mended it is released.
    pusher.push({odd_id: Text("assets")})
    assert active(pusher)[odd_id] == 2
    assert import_errors(pusher) == {}


def test_a_value_that_no_database_takes_is_refused_on_each(airflow_database: Any) -> None:
    pusher = Prebuilt()
    pusher.push({"odd": Text(), "good": Text()})
    version, seq = pusher.advance()
    odd = with_task(pusher.parsed("odd", version=version, seq=seq, text=Text("daily")), doc_md=object())
    known, _ = arrive(pusher, odd, pusher.parsed("good", version=version, seq=seq, text=Text(body=1)))
    assert len(known) == 2
    assert active(pusher) == {"odd": 1, "good": 2}
    assert list(import_errors(pusher)) == ["odd.py"]


@pytest.mark.postgres
def test_of_a_file_with_many_dags_only_the_refused_ones_stay_behind(postgres_pusher: Any) -> None:
    pusher = postgres_pusher
    version, seq = pusher.advance()
    ids = [f"dag_{n}" for n in range(9)]
    files = [pusher.parsed(dag_id, version=version, seq=seq, text=Text()) for dag_id in ids]
    files[3] = with_dag(files[3], doc_md="\x00")
    files[7] = with_dag(files[7], dag_display_name="x" * 2500)
    many = evolve(files[0], path="many.py", contents=[file.contents[0] for file in files])
    known, _ = arrive(pusher, many)
    assert known == [many]
    assert sorted(active(pusher)) == [dag_id for dag_id in ids if dag_id not in ("dag_3", "dag_7")]
    (error,) = import_errors(pusher).values()
    assert "Dag dag_3: " in error and "Dag dag_7: " in error and "dag_4" not in error


@pytest.mark.postgres
def test_an_errors_text_with_a_nul_and_of_any_length_is_shown(postgres_pusher: Any) -> None:
    pusher = postgres_pusher
    pusher.push({"odd": Text()})
    version, seq = pusher.advance()
    parsed = pusher.parsed("odd", version=version, seq=seq, text=None)
    text = "Traceback ...\n" + "x" * 100_000 + "\nValueError: a\x00b \udcff"
    known, _ = arrive(pusher, evolve(parsed, errors={"odd.py": text}))
    assert len(known) == 1
    (error,) = import_errors(pusher).values()
    assert error.endswith("\nValueError: a␀b �") and error.startswith("…") and len(error) <= 16_000


@pytest.mark.postgres
def test_a_path_that_is_too_long_for_a_key_is_an_import_error(postgres_pusher: Any) -> None:
    pusher = postgres_pusher
    pusher.push({"good": Text()})
    version, seq = pusher.advance()
    parsed = pusher.parsed("odd", version=version, seq=seq, text=Text())
    for path in ("d/" * 300 + "odd.py", "d/" * 900 + "odd.py"):
        good = pusher.parsed("good", version=version, seq=seq, text=Text())
        known, _ = arrive(pusher, evolve(parsed, path=path), good)
        assert [file.path for file in known] == [path, "good.py"]
        (name, error) = max(import_errors(pusher).items(), key=lambda item: len(item[0]))
        assert name == path or name.endswith("…")
        assert "of at most 500" in error
    pusher.settle(seq)
    assert active(pusher) == {"good": 1}


@pytest.mark.postgres
def test_a_pinned_dag_is_not_released_on_what_is_refused_and_says_why(postgres_pusher: Any) -> None:
    from pinwheel.core.errors import Refused
    from pinwheel.core.release.decide import Verb
    from pinwheel.services import change

    def applied(verb: Verb) -> None:
        change.apply(pusher.host, asked.change(verb=verb, dag_ids=["odd"], actor="ada"))

    pusher = postgres_pusher
    pusher.push({"odd": Text()})
    applied(Verb.PIN)
    version, seq = pusher.advance()
    odd = pusher.parsed("odd", version=version, seq=seq, text=Text("daily"))
    known, _ = arrive(pusher, with_dag(odd, dag_display_name="x" * 2500))
    assert len(known) == 1
    with pytest.raises(Refused, match="Cannot write odd to Airflow's rows: the database said: value too"):
        applied(Verb.PROMOTE)
    assert active(pusher) == {"odd": 1}


@pytest.mark.parametrize(
    "fault",
    [
        sa.exc.OperationalError("x", {}, Exception("server closed the connection unexpectedly")),
        sa.exc.OperationalError("x", {}, Exception("database is locked")),
        sa.exc.OperationalError("x", {}, Exception(1213, "Deadlock found when trying to get lock")),
        sa.exc.InternalError("x", {}, Exception("cannot execute INSERT in a read-only transaction")),
        sa.exc.ProgrammingError("x", {}, Exception('relation "pinwheel_parse" does not exist')),
        sa.exc.TimeoutError("QueuePool limit of size 5 overflow 10 reached"),
    ],
    ids=lambda fault: str(fault)[:50],
)
def test_a_database_that_is_away_or_busy_breaks_nothing_and_is_asked_again(
    airflow_database: Any, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    pusher = Prebuilt()
    pusher.push({"a": Text(), "b": Text(), "c": Text(), "d": Text()})
    version, seq = pusher.advance()
    files = [pusher.parsed(d, version=version, seq=seq, text=Text(body=1)) for d in "abcd"]

    def fails(_: Any) -> None:
        raise fault

    with faults.no_waiting(monkeypatch), faults.Points(faults.airflow_engine()) as points:
        points._reach = lambda *_: fails(None)  # type: ignore[method-assign]
        known, arrivals = arrive(pusher, *files)
    assert known == []
    assert not arrivals.due(more_to_come=False), "not at once again"
    assert import_errors(pusher) == {}
    arrivals._not_before = 0.0
    assert arrivals.due(more_to_come=False)
    assert sorted(file.path for file in arrivals.register()) == ["a.py", "b.py", "c.py", "d.py"]
    assert active(pusher) == dict.fromkeys("abcd", 2)


@pytest.mark.postgres
def test_what_a_commit_brings_back_and_the_database_refuses_is_an_import_error_alone(
    postgres_pusher: Any,
) -> None:
    from pinwheel.services.ingest import register
    from pinwheel.store import files

    pusher = postgres_pusher
    pusher.push({"a": Text(), "odd": Text(), "c": Text()})
    before = pusher.host.unit.run(lambda s: files.of_bundle(s, pusher.bundle_name))
    pusher.push({"a": Text(body=1), "odd": Text(body=1), "c": Text(body=1)})
    # A rule of the database stands for whatever else the database may refuse at a release.
    with faults.airflow_engine().begin() as connection:
        connection.execute(sa.text("ALTER TABLE dag_code ADD CHECK (dag_id <> 'odd') NOT VALID"))
    version, seq = pusher.advance()
    wanted = [(path, row.parse_id) for path, row in before.items()]
    name = pusher.bundle_name
    taken = register.reuse_all(pusher.host, bundle_name=name, bundle_version=version, seq=seq, files=wanted)
    assert taken == {"a.py", "c.py", "odd.py"}
    assert active(pusher) == {"a": 1, "c": 1, "odd": 2}
    ((path, error),) = import_errors(pusher).items()
    assert path == "odd.py" and "violates check constraint" in error
    broken = "SELECT dag_id, bundle_version FROM pinwheel_broken_build"
    assert rows(pusher, broken) == [("odd", version)]


@pytest.mark.postgres
def test_a_warning_of_a_new_dag_is_shown_and_one_of_a_dag_that_waits_breaks_nothing(
    postgres_pusher: Any,
) -> None:
    pusher = postgres_pusher
    version, seq = pusher.advance()
    files = [pusher.parsed(dag_id, version=version, seq=seq, text=Text()) for dag_id in ("new", "odd")]
    files[1] = with_dag(files[1], doc_md="\x00")
    warned = [
        evolve(
            file,
            warnings=[
                {"dag_id": d, "warning_type": "runtime varying value", "message": "it varies\x00"}
                for d in (file.contents[0].dag_id, "nobody")
            ],
        )
        for file in files
    ]
    arrive(pusher, *warned)
    assert rows(pusher, "SELECT dag_id, message FROM dag_warning") == [("new", "it varies␀")]
    assert list(import_errors(pusher)) == ["odd.py"]


@pytest.mark.postgres
def test_a_dag_that_can_not_be_taken_over_from_another_bundle_does_not_hold_up_the_bundle_it_left(
    postgres_pusher: Any,
) -> None:
    left, odd = Prebuilt("left"), Prebuilt("odd")
    left.push({"shared": Text(), "moves": Text(), "other": Text()})
    left.settle(left.advance()[1])
    # On the shelf only: as long as the first bundle has them, nobody stores them as Airflow's.
    version, seq = odd.advance()
    files = [odd.parsed(name, version=version, seq=seq, text=Text("daily")) for name in ("shared", "moves")]
    arrive(odd, with_dag(files[0], doc_md="a\x00b"), files[1])
    odd.files |= {"shared": Text("daily"), "moves": Text("daily")}
    odd.settle(seq)
    assert import_errors(odd) == {}

    _, seq = left.advance()
    del left.files["shared"], left.files["moves"]
    left.settle(seq)
    settled = "SELECT head_seq, settled_seq FROM pinwheel_bundle WHERE name = 'left'"
    assert rows(left, settled) == [(seq, seq)]
    assert active(left) == {"other": 1}
    assert active(odd) == {"moves": 2}
    (path,) = import_errors(odd)
    assert path == "shared.py"
    assert "Cannot take Dag shared from shared.py" in import_errors(odd)[path]
    # And it is not tried again with each version.
    left.settle(left.advance()[1])
    told = "SELECT count(*) FROM pinwheel_event WHERE kind = 'broken' AND dag_id = 'shared'"
    assert rows(left, told) == [(1,)]
