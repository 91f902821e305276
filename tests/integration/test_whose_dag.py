"""Whose a Dag is that several files give: the file's that defines it, or the one it is managed from."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa

from harness import faults
from harness.prebuilt import Prebuilt, Text
from harness.taking import take_in
from integration.parse_driver import parse

PRODUCER = """\
from datetime import datetime
from airflow.sdk import DAG, task
TABLE = "t{mark}"
with DAG("producer", schedule=None, start_date=datetime(2024, 1, 1)):
    @task
    def make():
        return "{mark}"
    make()
"""
CONSUMER = """\
from datetime import datetime
from airflow.sdk import DAG, task
from {module} import TABLE
with DAG("{dag_id}", schedule=None, start_date=datetime(2024, 1, 1)):
    @task
    def use():
        return TABLE, "{mark}"
    use()
"""
FACTORY = """\
# A factory of Airflow Dags: Airflow reads the file too, but it has no Dag of its own.
from datetime import datetime
from airflow.sdk import DAG, task
def make(dag_id):
    with DAG(dag_id, schedule=None, start_date=datetime(2024, 1, 1)):
        @task
        def only(): ...
        only()
"""


def producer(mark: str = "1") -> str:
    return PRODUCER.format(mark=mark)


def consumer(module: str, mark: str = "1", dag_id: str = "consumer") -> str:
    return CONSUMER.format(module=module, mark=mark, dag_id=dag_id)


class Place:
    """One bundle, really parsed and registered as the Dag processor does it, without its loop."""

    def __init__(self, root: Path) -> None:
        from pinwheel.airflow3.processor.inbox import Arrivals

        self.root = root
        self.pusher = Prebuilt("place")
        self.host = self.pusher.host
        self.files: dict[str, str] = {}
        self.pushes = 0
        self.listed: Callable[[str], bool] = lambda path: True
        self.coming: set[str] = set()
        self.arrivals = Arrivals(self.host, is_coming=lambda name, path: path in self.coming)

    def push(self, changes: dict[str, str | None], *, parsed: list[str] | None = None) -> None:
        """A commit; the files named (else those changed, and what reads them) are parsed in this order."""
        from pinwheel.airflow3.processor.head import Head
        from pinwheel.airflow3.processor.results import parsed_file
        from pinwheel.core.digest import digest_of
        from pinwheel.services.ingest import settle

        self.files = {k: v for k, v in {**self.files, **changes}.items() if v is not None}
        names = {name for name in self.files if self.listed(name)}
        order = sorted(names) if parsed is None else parsed
        self.pushes += 1
        version = f"{self.pushes:040x}"
        seq = take_in(self.host, "place", version, files=names, changed=order)
        folder = self.root / version
        folder.mkdir(parents=True)
        for name, text in self.files.items():
            (folder / name).write_text(text)
        manifest = {name: digest_of(text) for name, text in self.files.items()}
        head = Head(bundle_name="place", version=version, seq=seq, path=folder, manifest=manifest)
        self.coming = set(order)
        for name in order:
            proc = SimpleNamespace(parsing_result=parse(folder, name))
            self.coming.discard(name)
            self.arrivals.add(parsed_file(head, name, proc, 0.1))
            self.arrivals.register()
        assert not self.arrivals.due(more_to_come=False)
        settle.settle(self.host, bundle_name="place", seq=seq, paths=names, grace_seconds=50)


def rows(query: str, **values: Any) -> list[Any]:
    with faults.airflow_engine().connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(query), values)]


def stands(dag_id: str = "producer") -> tuple[str, int, int]:
    """The Dag's file, its active build, and how many builds it has."""
    ((path, build),) = rows(
        "SELECT d.relative_fileloc, b.build FROM pinwheel_dag d"
        " JOIN pinwheel_build b ON b.id = d.active_build_id WHERE d.dag_id = :d AND NOT d.retired",
        d=dag_id,
    )
    ((count,),) = rows("SELECT count(*) FROM pinwheel_build WHERE dag_id = :d", d=dag_id)
    return path, build, count


def events(kind: str) -> list[Any]:
    return rows("SELECT dag_id, bundle_name, reason FROM pinwheel_event WHERE kind = :k", k=kind)


@pytest.fixture
def place(airflow_database: Any, tmp_path: Path) -> Place:
    return Place(tmp_path / "versions")


@pytest.fixture
def on_sqlite(sqlite: Any, tmp_path: Path) -> Any:
    from harness.inprocess import bound_airflow

    database = sqlite.create()
    with bound_airflow(database):
        yield Place(tmp_path / "versions")
    database.drop()


def test_a_dag_belongs_to_the_file_that_defines_it_and_not_to_one_that_imports_it(place: Place) -> None:
    place.push({"a_consumer.py": consumer("z_producer"), "z_producer.py": producer()})
    assert stands() == ("z_producer.py", 1, 1)
    assert stands("consumer") == ("a_consumer.py", 1, 1)
    # A change of the consumer is none of the producer, and neither is it when it breaks.
    place.push({"a_consumer.py": consumer("z_producer", "2")}, parsed=["a_consumer.py"])
    assert stands() == ("z_producer.py", 1, 1)
    assert stands("consumer") == ("a_consumer.py", 2, 2)
    broken = consumer("z_producer").replace("with DAG", "raise RuntimeError\nwith DAG")
    place.push({"a_consumer.py": broken}, parsed=["a_consumer.py"])
    assert rows("SELECT dag_id FROM pinwheel_broken_build") == [("consumer",)]
    # What changes in the producer is released while the consumer is broken.
    place.push({"z_producer.py": producer("2")})
    assert stands() == ("z_producer.py", 2, 2)
    assert rows("SELECT dag_id FROM pinwheel_broken_build") == [("consumer",), ("consumer",)]
    assert events("duplicate") == []
    # And the file may get another name.
    moved = {"z_producer.py": None, "y_producer.py": producer("2"), "a_consumer.py": consumer("y_producer")}
    place.push(moved)
    assert stands()[0] == "y_producer.py"
    assert rows("SELECT relative_fileloc FROM dag WHERE dag_id = 'producer' AND is_stale = :no", no=False)
    assert events("duplicate") == []
    place.push({"y_producer.py": None, "a_consumer.py": None})
    assert rows("SELECT count(*) FROM pinwheel_dag WHERE retired = :yes", yes=True) == [(2,)]


def test_of_two_consumers_and_of_files_that_import_each_other_each_keeps_its_own(on_sqlite: Place) -> None:
    place = on_sqlite
    lazily = 'if __name__ != "m_two":\n    import m_two\n'
    place.push(
        {
            "z_producer.py": producer(),
            "b.py": consumer("z_producer", dag_id="b"),
            "a.py": consumer("b", dag_id="a"),
            "m_one.py": lazily + consumer("z_producer", dag_id="one"),
            "m_two.py": "import m_one\n" + consumer("z_producer", dag_id="two"),
        }
    )
    for dag_id, path in (("producer", "z_producer.py"), ("a", "a.py"), ("b", "b.py")):
        assert stands(dag_id) == (path, 1, 1), dag_id
    assert (stands("one")[0], stands("two")[0]) == ("m_one.py", "m_two.py")
    assert events("duplicate") == []


def test_what_makes_dags_for_others_or_is_no_dag_file_does_not_own_them(on_sqlite: Place) -> None:
    place = on_sqlite
    place.listed = lambda path: path != "hidden.py"
    made = "from factory import make\nmake('made')  # an Airflow Dag\n"
    place.push(
        {
            "a_made.py": made,
            "factory.py": FACTORY,
            "hidden.py": producer(),
            "b_shows.py": consumer("hidden"),
        }
    )
    assert stands("made") == ("a_made.py", 1, 1)
    assert stands("producer") == ("b_shows.py", 1, 1)


def test_an_importer_that_owns_a_dag_from_before_gives_it_back_at_the_next_parse(on_sqlite: Place) -> None:
    place = on_sqlite
    both = {"a_consumer.py": consumer("z_producer"), "z_producer.py": producer()}
    place.listed = lambda path: path == "a_consumer.py"
    place.push(both)
    assert stands()[0] == "a_consumer.py"
    place.listed = lambda path: True
    # Whichever of the two is parsed.
    place.push({"z_producer.py": producer("2")}, parsed=["z_producer.py"])
    assert stands()[0] == "z_producer.py"
    assert events("duplicate") == []


def test_a_dag_in_two_files_stays_where_it_is_and_is_told_once(airflow_database: Any) -> None:
    pusher = Prebuilt()
    pusher.push({"x": Text()})
    pusher.files["other"] = Text(body=1)
    for body in (1, 1, 2):
        version, seq = pusher.advance()
        twice(pusher, version, seq, body)
        # Results of an older version come late, and an impure file is parsed again and again.
        twice(pusher, version, seq - 1, body)
        twice(pusher, version, seq, body)
        pusher.settle(seq)
    assert stands("x") == ("x.py", 1, 3)
    told = ("x", "prebuilt", "other.py holds the Dag too; it stays with prebuilt: x.py")
    assert events("duplicate") == [told]
    ((error,),) = rows("SELECT error FROM pinwheel_fault WHERE place = 'duplicates'")
    assert error == (
        "Cannot take x from other.py: another file holds that id too: x stays with prebuilt: x.py."
        " Rename one of them, or remove it."
    )
    del pusher.files["other"]
    pusher.push({"x": Text()})
    assert rows("SELECT place FROM pinwheel_fault") == []


def twice(pusher: Prebuilt, version: str, seq: int, body: int) -> None:
    from attrs import evolve

    from pinwheel.services.ingest import register
    from pinwheel.store import files

    parsed = pusher.parsed("x", version=version, seq=seq, text=Text(body=body))
    other = {"path": "other.py", "inputs": {"files": {"other.py": parsed.file_digest}}}
    register.register(pusher.host, evolve(parsed, **other, impure=[{"kind": "clock", "detail": "x"}]))
    pusher.host.unit.run(lambda s: files.mark_pending(s, pusher.bundle_name, ["x.py"], None))


def test_a_file_waits_for_one_that_it_imports_which_is_parsed_next__but_not_for_ever(
    on_sqlite: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.dag_processing.manager import DagFileInfo
    from attrs import evolve

    from pinwheel.airflow3.processor import inbox
    from pinwheel.airflow3.processor.head import Head
    from pinwheel.airflow3.processor.manager import PinwheelProcessorManager
    from pinwheel.core.parse.plan import KnownFile

    pusher = Prebuilt()
    version, seq = pusher.advance()
    manager = PinwheelProcessorManager(max_runs=-1)
    folder = Path("/bundles")
    manager.intake.heads["prebuilt"] = Head(
        bundle_name="prebuilt", version=version, seq=seq, path=folder, manifest={}
    )
    names = ["a.py", *(f"m{n}.py" for n in range(9)), "z.py"]
    for name in names:
        manager.intake.known["prebuilt", name] = KnownFile(seq=seq - 1)
    infos = [DagFileInfo(rel_path=Path(n), bundle_name="prebuilt", bundle_path=folder) for n in names[1:]]
    manager._add_files_to_queue(infos, mode="back")

    parsed = pusher.parsed("a", version=version, seq=seq, text=Text())
    importing = evolve(parsed, inputs={"files": {"a.py": "1", "z.py": "2", "lib.py": "3"}})
    manager.arrivals.add(importing)
    assert manager.arrivals.register() == []
    assert [info.rel_path.name for info in manager._file_queue][:2] == ["z.py", "m0.py"]
    # With the other it is registered, after it.
    other = pusher.parsed("z", version=version, seq=seq, text=Text())
    manager.arrivals.add(other)
    assert manager.arrivals.register() == [other, importing]
    # Files that are known need not be waited for, nor does any file wait long.
    again = evolve(importing, seconds=1.0)
    manager.arrivals.add(again)
    assert manager.arrivals.register() == []
    monkeypatch.setattr(inbox, "LONGEST_HOLD", 0.0)
    assert manager.arrivals.register() == [again]
    monkeypatch.undo()
    manager.intake.remember("prebuilt", "z.py", seq, None, False, None)
    manager.arrivals.add(importing)
    assert manager.arrivals.register() == [importing]


class Plain:
    """A folder that keeps no versions: its results go through the Dag processor to Airflow's own writing."""

    def __init__(self, folder: Path) -> None:
        from airflow.models.dagbundle import DagBundleModel
        from airflow.utils.session import create_session

        from pinwheel.airflow3.processor.manager import PinwheelProcessorManager

        self.folder = folder
        folder.mkdir()
        with create_session() as session:
            session.merge(DagBundleModel(name="plain"))
        self.manager = PinwheelProcessorManager(max_runs=1)
        self.manager._bundle_versions["plain"] = None  # type: ignore[assignment]

    def parse(self, name: str) -> None:
        from airflow.dag_processing.manager import DagFileInfo

        file = DagFileInfo(rel_path=Path(name), bundle_name="plain", bundle_path=self.folder)
        result = parse(self.folder, name, traced=False)
        proc = SimpleNamespace(parsing_result=result, had_callbacks=False, start_time=time.monotonic())
        self.manager.handle_parsing_result(file, proc)

    def list_files(self) -> None:
        from airflow.dag_processing.manager import DagFileInfo

        present = {
            DagFileInfo(rel_path=path.relative_to(self.folder), bundle_name="plain", bundle_path=self.folder)
            for path in self.folder.glob("*.py")
        }
        self.manager.deactivate_deleted_dags(bundle_name="plain", present=present)


def test_a_managed_dag_that_an_unversioned_bundle_holds_too_stays_and_is_told_once(
    airflow_database: Any, tmp_path: Path
) -> None:
    from pinwheel.services.upkeep import repair

    pusher, plain = Prebuilt(), Plain(tmp_path / "plain")
    other = producer().replace('"producer"', '"other"').replace("TABLE", "OTHER")
    (plain.folder / "x.py").write_text(producer().replace('"producer"', '"x"') + other)
    # Before it is managed it is Airflow's business.
    plain.parse("x.py")
    row = "SELECT dag_id, bundle_name, is_stale, has_import_errors FROM dag ORDER BY dag_id"
    assert [tuple(map(str, r[:2])) for r in rows(row)] == [("other", "plain"), ("x", "plain")]
    pusher.push({"x": Text()})
    for _ in range(3):
        plain.parse("x.py")
        assert [r[:2] for r in rows(row)] == [("other", "plain"), ("x", "prebuilt")]
        # Its other Dag stays on the air.
        assert not any(flag for r in rows(row) for flag in r[2:])
        assert repair.repair_drift(pusher.host) == []
        ((path, error),) = rows("SELECT filename, stacktrace FROM import_error WHERE bundle_name = 'plain'")
        assert path == "x.py"
        assert error == (
            "Cannot take x from x.py: another file holds that id too: x stays with prebuilt: x.py."
            " Rename one of them, or remove it."
        )
    assert rows("SELECT bundle_name, place, error FROM pinwheel_fault") == [("plain", "duplicates", error)]
    assert events("duplicate") == [("x", "plain", "x.py holds the Dag too; it stays with prebuilt: x.py")]
    # A restarted processor tells nothing again.
    again = Plain.__new__(Plain)
    again.folder, again.manager = plain.folder, type(plain.manager)(max_runs=1)
    again.manager._bundle_versions["plain"] = None  # type: ignore[assignment]
    again.list_files()
    again.parse("x.py")
    assert len(events("duplicate")) == 1
    assert len(rows("SELECT place FROM pinwheel_fault")) == 1
    # Once its file is gone there, nothing is left to be shown.
    (again.folder / "x.py").unlink()
    (again.folder / "y.py").write_text(other)
    again.list_files()
    assert rows("SELECT place FROM pinwheel_fault") == []


def test_a_dag_that_moved_to_an_unversioned_bundle_is_airflows_again(on_sqlite: Any, tmp_path: Path) -> None:
    pusher, plain = Prebuilt(), Plain(tmp_path / "plain")
    pusher.push({"x": Text(), "y": Text()})
    (plain.folder / "x.py").write_text(producer().replace('"producer"', '"x"'))
    plain.parse("x.py")
    assert rows("SELECT bundle_name FROM dag WHERE dag_id = 'x'") == [("prebuilt",)]
    pusher.push({}, removed=("x",))
    plain.parse("x.py")
    assert rows("SELECT bundle_name FROM dag WHERE dag_id = 'x'") == [("plain",)]
    assert rows("SELECT place FROM pinwheel_fault") == []
    assert rows("SELECT filename FROM import_error") == []
