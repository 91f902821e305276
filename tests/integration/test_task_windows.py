"""Tasks with start and end dates of their own: builds know when they are absent, and have rows for that."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from airflow.dag_processing.bundles.base import BaseDagBundle

from harness import asked, invariants
from harness.faults import airflow_engine
from harness.inprocess import stock_run
from harness.prebuilt import finish_run, start_run
from harness.seed import Seeder, serialized_dags
from harness.windowed import COMMON, DESCRIBED, NEW, OLD, PRINTED, blog, named, numbers, plain, rows, tasks_of
from pinwheel.airflow3.keeper.duties import duties_of
from pinwheel.airflow3.keeper.loop import Loop
from pinwheel.core.errors import NotFound
from pinwheel.core.event import EventKind
from pinwheel.core.release.decide import Verb
from pinwheel.core.request import States
from pinwheel.core.retention import Keep
from pinwheel.core.run.binding import BoundBy
from pinwheel.services import change
from pinwheel.services.history import grid, tries
from pinwheel.services.ingest import adopt
from pinwheel.services.release import variants
from pinwheel.services.show import builds as shown_builds
from pinwheel.services.show import compare
from pinwheel.services.show import status as dag_status
from pinwheel.services.show.plain import ABSENT
from pinwheel.services.timeline import show as timeline
from pinwheel.services.upkeep import prune, repair, uninstall
from pinwheel.services.upkeep.beat import Beat
from pinwheel.store import bindings, builds, events, start_rules
from pinwheel.store.bindings import NewBinding


@pytest.fixture
def seeder(airflow_database: Any, tmp_path: Path) -> Iterator[Seeder]:
    yield Seeder(tmp_path)
    invariants.check(airflow_engine())


def dated(seeder: Seeder) -> set[str]:
    return seeder.host.unit.run(start_rules.dated)


def errors() -> list[str]:
    return [text for (text,) in rows("SELECT stacktrace FROM import_error")]


def kinds(dag_id: str = "blog") -> list[str]:
    return [
        kind for (kind,) in rows("SELECT kind FROM pinwheel_event WHERE dag_id = :d ORDER BY id", d=dag_id)
    ]


@pytest.mark.acceptance("dates", 1, 18)
def test_the_blogs_file_has_three_variants_the_present_one_with_its_release(seeder: Seeder) -> None:
    version = seeder.push(blog(DESCRIBED))
    assert numbers() == [1, -3_000_001], "the Dag's end lies behind: its last segment holds the present"
    assert (named(), dated(seeder)) == (f"{version}?unbound", {"blog"})
    assert variants.make_missing(seeder.host) == 2
    assert (numbers(), variants.make_missing(seeder.host)) == ([1, -1_000_001, -2_000_001, -3_000_001], 0)
    assert [set(tasks_of(-k * 1_000_000 - 1)) for k in (1, 2, 3)] == [COMMON | OLD, COMMON, COMMON | NEW]
    for task in tasks_of(-1_000_001).values():
        assert (task.start_date, task.end_date) == (None, None), "spent: Airflow filters nothing of it"
    versions = {version for (version,) in rows("SELECT bundle_version FROM dag_version")}
    assert versions == {version}, "the mark is in the Dag's row alone"


@pytest.mark.acceptance("dates", 1)
def test_as_printed_it_has_three_segments_and_two_variants_and_a_row_of_all_tasks(seeder: Seeder) -> None:
    seeder.push(blog(PRINTED))
    variants.make_missing(seeder.host)
    # Of 2020 all tasks have a place: Airflow would filter them by the Dag's end. That row is no segment.
    assert numbers() == [1, -1_000_001, -3_000_001, -4_000_001]
    assert rows("SELECT count(*) FROM pinwheel_segment WHERE stretch") == [(3,)]
    assert set(tasks_of(-4_000_001)) == COMMON | OLD | NEW


def test_segments_without_the_same_tasks_have_one_row(seeder: Seeder) -> None:
    more = "EmptyOperator(task_id='once', start_date=datetime(2020, 3, 1), end_date=datetime(2020, 3, 31))"
    seeder.push(blog(DESCRIBED, more=more))
    variants.make_missing(seeder.host)
    assert numbers() == [1, -1_000_001, -2_000_001, -3_000_001, -4_000_001]
    found = rows("SELECT position, number FROM pinwheel_segment ORDER BY position")
    assert found == [(1, -1_000_001), (2, -2_000_001), (3, -3_000_001), (4, -4_000_001), (5, -3_000_001)]


def test_the_timeline_shows_when_which_tasks_of_the_active_build_have_no_place(seeder: Seeder) -> None:
    seeder.push(blog())
    found = timeline.show(seeder.host, "blog").variants
    assert found is not None
    old, new = ("task_1_2019", "task_2_2019"), ("task_1_2020", "task_2_2020")
    assert [(one.from_, one.until, one.absent) for one in found] == [
        (None, "2019-12-31T23:59:00.000001", new),
        ("2019-12-31T23:59:00.000001", "2020-01-01", tuple(sorted(old + new))),
        ("2020-01-01", None, old),
    ]
    assert timeline.show(seeder.host, "blog", tasks=False).variants is None
    seeder.push(plain())
    assert timeline.show(seeder.host, "blog").variants == ()


@pytest.mark.acceptance("dates", 8)
def test_a_dag_without_windows_has_neither_row_nor_rule_nor_mark(seeder: Seeder) -> None:
    version = seeder.push(plain())
    assert (numbers(), named(), dated(seeder)) == ([1], version, set())
    assert rows("SELECT * FROM pinwheel_segment") == []


def test_what_an_author_may_not_expect_of_runs_of_some_dates_is_said_where_builds_are_compared(
    seeder: Seeder,
) -> None:
    seeder.push(plain())
    choose = "choose = task.branch(task_id='choose')(lambda: 'task_1_2020')(); choose >> [old[0], new[0]]"
    seeder.push(blog(more=f"from airflow.sdk import task; {choose}"))
    said = shown_builds.diff(seeder.host, "blog", 1, 2).warnings
    assert [one.split(",")[0] for one in said] == [
        "choose may choose task_1_2020",
        "choose may choose task_1_2019",
    ]
    assert compare.compare(seeder.host, "blog", 1, 2).warnings == said
    assert shown_builds.diff(seeder.host, "blog", 2, 1).warnings == ()


@pytest.mark.acceptance("dates", 43)
def test_with_task_windows_off_no_build_has_any(seeder: Seeder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__PINWHEEL__TASK_WINDOWS", "off")
    version = seeder.push(blog())
    assert (numbers(), named(), dated(seeder)) == ([1], version, set())
    assert rows("SELECT * FROM pinwheel_segment") == []


GATED = """
        from airflow.providers.standard.operators.python import BranchPythonOperator
        gate = BranchPythonOperator(task_id="gate", python_callable=lambda: "task_1_2019")
        gate >> old[0]
        old[1] >> EmptyOperator(task_id="report")
"""
MANY = """
        for n in range(1, 13):
            EmptyOperator(task_id=f"in_{n}", start_date=datetime(2020, n, 2), end_date=datetime(2020, n, 20))
"""
MAPPED = """
        from airflow.providers.standard.operators.bash import BashOperator
        from airflow.sdk import task
        @task(start_date=START, end_date=datetime(2019, 12, 31))
        def items(): return ["true"]
        BashOperator.partial(task_id="each").expand(bash_command=items())
"""
GROUP = """
        from airflow.sdk import task, task_group
        @task(start_date=START, end_date=datetime(2019, 12, 31))
        def items(): return [1]
        @task_group
        def grouped(item):
            @task
            def inside(item): ...
            inside(item)
        grouped.expand(item=items())
"""


@pytest.mark.parametrize(
    ("more", "said"),
    [
        pytest.param(MAPPED, ["each is mapped over what items gives"], id="mapped"),
        pytest.param(GROUP, ["group grouped is mapped over what items gives"], id="a group"),
        pytest.param(GATED, ["report would follow on gate alone", "Give report the window of"], id="a gate"),
        pytest.param(MANY, ["divide time into 27 stretches", "24 are allowed"], id="many"),
    ],
)
@pytest.mark.acceptance("dates", 5, 6, 7)
def test_what_can_not_be_without_its_absent_tasks_is_refused_and_the_last_good_build_stays(
    seeder: Seeder, more: str, said: list[str]
) -> None:
    seeder.push(plain())
    seeder.push(blog(more=more) | plain("other"))
    assert (numbers(), numbers("other")) == ([1], [1])
    (shown,) = errors()
    for words in ("Dag blog: Cannot make a build of this Dag", *said):
        assert words in shown
    assert rows("SELECT dag_id FROM pinwheel_broken_build") == [("blog",)]
    assert kinds()[-1] == EventKind.VARIANT_REFUSED and EventKind.BROKEN not in kinds()
    seeder.push(blog())
    assert (errors(), numbers()) == ([], [2, 1, -3_000_002])


def test_more_segments_can_be_allowed(seeder: Seeder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__PINWHEEL__MAX_VARIANTS", "27")
    seeder.push(blog(more=MANY))
    assert errors() == []


def test_a_bundle_whose_class_takes_any_version_has_none(seeder: Seeder) -> None:
    deployment: Any = seeder.host.deployment
    deployment.refusing[seeder.bundle_name] = False
    version = seeder.push(blog(more=MAPPED))
    assert (numbers(), named(), errors()) == ([1], version, [])
    assert "makes a version ready that it does not know" in why_none(seeder, build=1)
    seeder.push(plain())
    assert why_none(seeder, build=1), "a Dag without dates lacks nothing"


def why_none(seeder: Seeder, build: int) -> str:
    """What is told of the only build that has no variants for its bundle."""
    (told,) = seeder.host.unit.run(lambda s: events.of_kind(s, "blog", EventKind.VARIANT_REFUSED))
    assert told.details["build"] == build
    return str(told.details["error"])


def test_a_bundle_whose_class_gives_data_with_each_version_has_none_and_that_is_told(seeder: Seeder) -> None:
    version = seeder.push(blog(more=MAPPED), about={"version_data": {"key": "a"}})
    assert (numbers(), named(), errors()) == ([1], version, [])
    assert "gives data with each version" in why_none(seeder, build=1)


def test_with_task_windows_off_nothing_is_told_of_a_bundle_that_could_have_none(
    seeder: Seeder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__PINWHEEL__TASK_WINDOWS", "off")
    seeder.push(blog(), about={"version_data": {"key": "a"}})
    assert EventKind.VARIANT_REFUSED not in kinds()


class OfItsOwn(BaseDagBundle):
    """Has version v1 and refuses all others; is there, or not."""

    supports_versioning = True
    answers = True

    def __init__(self, *, path: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._path = Path(path)

    @property
    def path(self) -> Path:
        return self._path

    def initialize(self) -> None:
        if not type(self).answers or self.version != "v1":
            raise RuntimeError("no such version, or the network is down")

    def get_current_version(self) -> str | None:
        return "v1"

    def refresh(self) -> None: ...


def test_whether_a_class_refuses_what_it_does_not_know_is_asked_of_it(
    airflow_database: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pinwheel.airflow3.bundles import probe

    classes = {
        "takes": "airflow.dag_processing.bundles.local.LocalDagBundle",
        "ours": "pinwheel.bundles.FolderBundle",
        "refuses": f"{OfItsOwn.__module__}.OfItsOwn",
    }
    entries = [{"name": n, "classpath": c, "kwargs": {"path": str(tmp_path)}} for n, c in classes.items()]
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST", json.dumps(entries))

    def told() -> dict[str, bool | None]:
        return {name: probe.refuses_unknown(name, "v1") for name in (*classes, "unknown")}

    monkeypatch.setattr(probe, "_taken", {})
    monkeypatch.setattr(OfItsOwn, "answers", False)
    assert told() == {"takes": False, "ours": True, "refuses": None, "unknown": True}
    monkeypatch.setattr(OfItsOwn, "answers", True)
    assert told()["refuses"] is True, "what nobody could tell was not believed for ever"


def test_while_a_class_gives_no_answer_dags_with_windows_wait_for_it_and_no_other_does(
    seeder: Seeder, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pinwheel.airflow3.bundles import probe
    from pinwheel.airflow3.processor import inbox
    from pinwheel.services.ingest import register

    answers: list[bool | None] = [None, None, None, True]
    arrivals = inbox.Arrivals(seeder.host)
    monkeypatch.setattr(probe, "refuses_unknown", lambda *_: answers.pop(0))
    monkeypatch.setattr(register, "register", lambda _, file: arrivals.add(file))
    files = {**blog(), **blog(dag_id="late"), **plain("other")}
    version = seeder.push(files)
    assert [file.path for file in arrivals.register()] == ["other.py"]
    assert (numbers("other"), numbers(), numbers("late"), answers) == ([1], [], [], [True])
    assert arrivals.register() == [] and answers == [True], "it is not asked all the time"
    later = inbox.time.monotonic() + inbox.ASK_AGAIN
    monkeypatch.setattr(inbox.time, "monotonic", lambda: later)
    assert {file.path for file in arrivals.register()} == {"blog.py", "late.py"}
    assert (numbers(), named(), dated(seeder)) == ([1, -3_000_001], f"{version}?unbound", {"blog", "late"})
    assert errors() == []


def test_a_dag_that_is_adopted_while_a_class_gives_no_answer_is_told_to_have_no_windows(
    seeder: Seeder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from airflow.dag_processing.collection import update_dag_parsing_results_in_db
    from airflow.utils.session import create_session

    from pinwheel.airflow3.bundles import probe

    monkeypatch.setattr(probe, "refuses_unknown", lambda *_: None)
    ((name, source),) = blog().items()
    (tmp_path / name).write_text(textwrap.dedent(source))
    with create_session() as session:
        parsed = serialized_dags(tmp_path, name)
        update_dag_parsing_results_in_db(seeder.bundle_name, "c" * 40, parsed, {}, None, set(), session)
    assert adopt.adopt(seeder.host) == ["blog"]
    assert (named(), dated(seeder)) == ("c" * 40, set())
    (told,) = seeder.host.unit.run(lambda s: events.of_kind(s, "blog", EventKind.VARIANT_REFUSED))
    assert "Cannot tell whether bundle" in str(told.details["error"])


def test_pruning_leaves_what_is_in_use_and_takes_the_rest(seeder: Seeder) -> None:
    seeder.push(blog())
    variants.make_missing(seeder.host)
    apply(seeder, Verb.PIN)
    seeder.push(blog(PRINTED))
    assert len(rows("SELECT DISTINCT build_id FROM pinwheel_segment")) == 2
    for body in range(3):
        seeder.push(plain(body=body))
    prune.prune(seeder.host, Keep(builds=1))
    assert len(rows("SELECT DISTINCT build_id FROM pinwheel_segment")) == 1, (
        "of the held build nothing is left"
    )
    assert numbers() == [1, -1_000_001, -2_000_001, -3_000_001]


def test_of_a_dag_that_varies_the_segments_are_written_anew_with_its_build(seeder: Seeder) -> None:
    same = {"blog.py": "the same inputs"}
    for end in (DESCRIBED, PRINTED):
        seeder.push(blog(end), inputs=same)
    assert rows("SELECT count(*) FROM pinwheel_build") == [(1,)]
    variants.make_missing(seeder.host)
    found = rows("SELECT position, number FROM pinwheel_segment ORDER BY position")
    assert found == [(1, -1_000_001), (2, None), (3, -3_000_001), (4, -4_000_001)]
    assert repair.repair_drift(seeder.host) == []


def apply(seeder: Seeder, verb: Verb, **more: Any) -> None:
    change.apply(seeder.host, asked.change(verb=verb, dag_ids=["blog"], actor="ada", **more))


def bundle_version(run_id: str) -> str:
    ((version,),) = rows("SELECT bundle_version FROM dag_run WHERE run_id = :run_id", run_id=run_id)
    return str(version)


@pytest.mark.acceptance("dates", 18)
def test_rule_and_mark_come_with_a_release_and_go_with_the_next_one_without_windows(seeder: Seeder) -> None:
    first = seeder.push(plain())
    assert stock_run("blog", "before") == first
    second = seeder.push(blog())
    assert (bundle_version("before"), stock_run("blog", "marked")) == (
        f"{first}?unbound",
        f"{second}?unbound",
    )
    third = seeder.push(plain(body=1))
    assert (named(), dated(seeder)) == (third, set())
    assert [bundle_version(run_id) for run_id in ("before", "marked")] == [
        f"{first}?unbound",
        f"{second}?unbound",
    ], "they stand on releases of before, and are bound to the active one as they start"
    apply(seeder, Verb.ROLLBACK)
    assert (named(), dated(seeder)) == (f"{second}?unbound", {"blog"})
    assert repair.repair_drift(seeder.host) == []


@pytest.mark.acceptance("dates", 18)
@pytest.mark.parametrize("pinned", [False, True], ids=["pushed again", "pinned"])
def test_rule_and_mark_go_with_a_dag_that_is_gone_and_come_back_with_it(seeder: Seeder, pinned: bool) -> None:
    first = seeder.push(blog())
    assert stock_run("blog", "waits") == f"{first}?unbound"
    seeder.push(plain("other"))
    assert (named(), dated(seeder)) == (first, set())
    assert (repair.restore_marks(seeder.host), repair.repair_drift(seeder.host)) == ([], [])
    if pinned:
        apply(seeder, Verb.PIN, build=1)
        back = first
    else:
        back = seeder.push(blog(more="# again"))
    assert (named(), dated(seeder)) == (f"{back}?unbound", {"blog"})
    assert bundle_version("waits") == f"{first}?unbound", "it is bound by its date as it starts"
    assert repair.repair_drift(seeder.host) == []


@pytest.mark.acceptance("dates", 18, 26)
def test_a_lost_mark_is_put_back_at_once_and_told_and_runs_made_meanwhile_get_it(seeder: Seeder) -> None:
    version = seeder.push(blog())
    before = {"fixed"}
    # Not the duties behind it: they bind what has waited for some seconds, as it may have on a slow machine
    first = duties_of(seeder.host, Beat(seeder.host))[:2]
    assert first[1].name == "restore marks"
    for lost, restore in (
        (version, lambda: repair.restore_marks(seeder.host)),
        (version, Loop(seeder.host, first).turn),
        (None, lambda: repair.repair_drift(seeder.host)),
        (version, lambda: repair.follow_again(seeder.host)),
    ):
        with airflow_engine().begin() as connection:
            connection.execute(sa.text("UPDATE dag SET bundle_version = :v"), {"v": lost})
        run_id = f"run-{len(before)}"
        before.add(run_id)
        assert stock_run("blog", run_id) == lost
        restore()
        assert named() == f"{version}?unbound"
        assert bundle_version(run_id) == ("None" if lost is None else f"{version}?unbound")
        assert kinds()[-1] == EventKind.MARK_RESTORED
    assert kinds().count(EventKind.MARK_RESTORED) == 4 and EventKind.DRIFT not in kinds()
    assert repair.restore_marks(seeder.host) == []


def test_a_push_moves_the_followed_version_and_leaves_the_mark(seeder: Seeder) -> None:
    first = seeder.push(blog() | plain("other"))
    second = seeder.push(blog() | plain("other", body=1))
    assert (named(), named("other")) == (f"{first}?unbound", second)
    assert rows("SELECT follow_version, row_version FROM pinwheel_dag WHERE dag_id = 'blog'") == [
        (second, f"{first}?unbound")
    ]
    bound = asked.trigger(seeder.host, "blog", actor="ada", build=1)
    assert bound.bundle_version == second, "a run by hand has the commit, not the mark"


def test_rows_of_superseded_builds_go_unless_something_needs_them(seeder: Seeder) -> None:
    seeder.push(blog())
    variants.make_missing(seeder.host)
    seeder.push(blog(PRINTED))
    assert numbers() == [2, 1, -3_000_002]
    variants.make_missing(seeder.host)
    ((row_id,),) = rows("SELECT id FROM dag_version WHERE version_number = -1000002")
    with airflow_engine().begin() as connection:
        stock_run_on(connection, row_id)
    seeder.push(plain())
    assert numbers() == [3, 2, 1, -1_000_002]


def stock_run_on(connection: Any, version_id: Any) -> None:
    """A run that is on this version row."""
    stock_run("blog", "bound")
    connection.execute(sa.text("UPDATE dag_run SET created_dag_version_id = :v"), {"v": version_id})


def test_a_version_row_that_was_removed_is_made_anew_under_its_id(seeder: Seeder) -> None:
    seeder.push(blog())
    before = rows("SELECT id FROM dag_version WHERE version_number < 0")
    with airflow_engine().begin() as connection:
        for table in ("serialized_dag", "dag_code"):
            connection.execute(
                sa.text(
                    f"DELETE FROM {table} WHERE dag_version_id IN "
                    "(SELECT id FROM dag_version WHERE version_number < 0)"
                )
            )
        connection.execute(sa.text("DELETE FROM dag_version WHERE version_number < 0"))
    assert variants.make_missing(seeder.host) == 3
    assert rows("SELECT id FROM dag_version WHERE version_number = -3000001") == before
    assert kinds().count(EventKind.VERSION_RESTORED) == 1


def test_rows_that_can_not_be_made_hold_up_none_of_another_dag(
    seeder: Seeder, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeder.push({**blog(), **blog(dag_id="other")})
    whole, now, failed = variants.make_rows, [0.0], dict[int, float]()

    def partly(host: Any, session: Any, build: Any, positions: Any) -> Any:
        if build.dag_id == "blog":
            raise RuntimeError("as it happens")
        return whole(host, session, build, positions)

    def make() -> int:
        return variants.make_missing(seeder.host, 2, failed=failed, clock=lambda: now[0])

    monkeypatch.setattr(variants, "make_rows", partly)
    with pytest.raises(RuntimeError, match="as it happens") as raised:
        make()
    assert raised.value.__notes__ == [f"build {next(iter(failed))}"]
    assert (make(), make()) == (2, 0), "it is passed over for a while"
    monkeypatch.setattr(variants, "make_rows", whole)
    now[0] += variants.RETRY
    assert (make(), make(), failed) == (2, 0, {})


def test_rows_for_dates_change_neither_the_dags_row_nor_who_may_do_what(
    seeder: Seeder, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pinwheel.airflow3 import compat

    seeder.push(blog())
    told: list[str] = []
    monkeypatch.setattr(compat, "sync_dag_permissions", lambda session, dag_id, access: told.append(dag_id))
    before = rows("SELECT * FROM dag")
    assert variants.make_missing(seeder.host) == 2
    assert (told, rows("SELECT * FROM dag")) == ([], before)
    assert repair.repair_drift(seeder.host) == []


def run_on(seeder: Seeder, position: int, run_id: str, number: int = 1) -> None:
    """A run that is bound to the row of a segment of a build."""

    def work(session: Any) -> None:
        build = builds.by_number(session, "blog", number)
        assert build is not None
        version_id = variants.make_rows(seeder.host, session, build, [position])[position]
        _, seq = seeder.host.runs.create_run(
            session, "blog", version_id, bundle_version=build.bundle_version, run_id=run_id,
            logical_date=None, conf=None, note=None, actor="ada",
        )  # fmt: skip
        new = NewBinding(
            dag_id="blog",
            run_id=run_id,
            seq=seq,
            dag_version_id=version_id,
            bundle_version=build.bundle_version,
            bound_by=BoundBy.HAND,
            bound_at=seeder.host.unit.now(),
        )
        bindings.add_all(session, [new])

    seeder.host.unit.run(work)


@pytest.mark.acceptance("dates", 10)
def test_grid_graph_and_history_of_a_run_show_its_own_tasks_and_name_its_release(seeder: Seeder) -> None:
    version = seeder.push(blog())
    for position, run_id in ((1, "of-2019"), (3, "of-2020")):
        run_on(seeder, position, run_id)
        start_run("blog", run_id)
        finish_run("blog", run_id)
    page = grid.page(seeder.host, "blog")
    assert {run.run_id: run.version for run in page.runs} == {"of-2019": "r1.1", "of-2020": "r1.3"}
    assert {key: view.absent for key, view in page.versions.items()} == {
        "r1": ABSENT,
        "r1.1": tuple(sorted(NEW)),
        "r1.3": tuple(sorted(OLD)),
    }
    assert {(view.release, view.build, view.kind) for view in page.versions.values()} == {(1, 1, "release")}
    shown = grid.rows(seeder.host, "blog", ["r1.1", "r1.3", "r1"])
    tasks = {key: {shown.rows[place].id for place in shown.structures[of]} for key, of in shown.of.items()}
    assert tasks == {"r1": COMMON | OLD | NEW, "r1.1": COMMON | OLD, "r1.3": COMMON | NEW}
    graph = grid.graph_of(seeder.host, "blog", "r1.3")
    assert {node.id for node in graph.nodes} == COMMON | NEW
    with pytest.raises(NotFound):
        grid.graph_of(seeder.host, "blog", "r1.9")
    told = tries.history(seeder.host, tries.HistoryRequest(dag_id="blog", run_id="of-2019"))
    assert {(one.release, one.build, one.bundle_version) for one in told.tries} == {(1, 1, version)}
    assert rows("SELECT DISTINCT release, build_id IS NULL FROM pinwheel_outcome") == [(1, 0)]


def test_a_release_that_only_runs_of_some_dates_used_is_kept(seeder: Seeder) -> None:
    """Its own version row has no run: what changes with each parse must not replace it for that."""
    same = {"blog.py": "the same inputs"}
    for end in (DESCRIBED, PRINTED):
        seeder.push(blog(end), inputs=same)
    assert rows("SELECT count(*) FROM pinwheel_build") == [(1,)], "no run has used it"
    run_on(seeder, 1, "of_2019")
    before = tasks_of(-1_000_001).keys()
    seeder.push(blog(end="2021, 2, 1"), inputs=same)
    assert rows("SELECT release, build_id FROM pinwheel_release ORDER BY release") == [(1, 1), (2, 2)]
    for body in range(3):
        seeder.push(plain(body=body))
    prune.prune(seeder.host, Keep(builds=1))
    assert numbers()[-1] == -1_000_001, "the run's row is there"
    assert rows("SELECT DISTINCT build_id FROM pinwheel_segment ORDER BY 1") == [(1,), (2,)]
    assert tasks_of(-1_000_001).keys() == before == COMMON | OLD


@pytest.mark.acceptance("dates", 10)
def test_a_run_of_some_dates_that_failed_fails_the_active_release(seeder: Seeder) -> None:
    seeder.push(blog())
    for position, run_id, state in ((1, "of-2019", "failed"), (3, "of-2020", "success")):
        run_on(seeder, position, run_id)
        start_run("blog", run_id)
        finish_run("blog", run_id, state)
    (shown,) = dag_status.status(seeder.host, runs=True, states=States(failing=True))
    assert shown.runs == {"failed": 1, "success": 1}


OUTLET = """
        EmptyOperator(task_id="gone", outlets=[Asset("dwh://gone")], **OLD)
"""


def test_an_asset_that_no_active_release_refers_to_is_active_for_runs_of_the_past(seeder: Seeder) -> None:
    def active() -> list[Any]:
        return rows("SELECT uri FROM asset_active WHERE uri LIKE 'dwh:%'")

    seeder.push(blog(more=OUTLET))
    variants.make_missing(seeder.host)
    seeder.push(blog())
    with airflow_engine().begin() as connection:
        # As the scheduler does within a minute.
        connection.execute(sa.text("DELETE FROM asset_active"))
    run_on(seeder, 1, "of-2019", number=1)
    assert active() == [("dwh://gone/",)] or active() == [("dwh://gone",)]


def test_what_stands_for_dates_is_no_trial_to_who_uninstalls(seeder: Seeder) -> None:
    seeder.push(blog())
    leaving = uninstall.plan(seeder.host)
    assert (leaving.trial_versions, leaving.rows_for_dates) == (0, 1)


@pytest.mark.acceptance("dates", 43)
def test_adoption_compiles_windows_and_tells_whose_backfills_leave_tasks_out(
    seeder: Seeder, tmp_path: Path
) -> None:
    from airflow.dag_processing.collection import update_dag_parsing_results_in_db
    from airflow.utils.session import create_session

    for files in (blog(), plain("other")):
        ((name, source),) = files.items()
        (tmp_path / name).write_text(textwrap.dedent(source))
        parsed = serialized_dags(tmp_path, name)
        with create_session() as session:
            update_dag_parsing_results_in_db(seeder.bundle_name, "c" * 40, parsed, {}, None, set(), session)
    stock_run("blog", "waits")
    assert set(adopt.adopt(seeder.host)) == {"blog", "other"}
    assert (named(), named("other"), dated(seeder)) == (f"{'c' * 40}?unbound", "c" * 40, {"blog"})
    assert bundle_version("waits") == f"{'c' * 40}?unbound"
    told = dict(rows("SELECT dag_id, reason FROM pinwheel_event WHERE kind = 'adopt'"))
    assert told["other"] is None
    assert "its backfills leave out tasks" in told["blog"] and "task_1_2019" in told["blog"]
    shown = {view.dag_id: view.windowed for view in dag_status.status(seeder.host)}
    assert shown == {"blog": True, "other": ABSENT}
    assert variants.make_missing(seeder.host) == 3
    assert repair.repair_drift(seeder.host) == []


def test_a_dag_that_is_adopted_as_gone_is_not_judged_and_loses_the_mark_of_an_earlier_installation(
    seeder: Seeder, tmp_path: Path
) -> None:
    from airflow.dag_processing.collection import update_dag_parsing_results_in_db
    from airflow.utils.session import create_session

    ((name, source),) = blog().items()
    (tmp_path / name).write_text(textwrap.dedent(source))
    parsed = serialized_dags(tmp_path, name)
    with create_session() as session:
        update_dag_parsing_results_in_db(seeder.bundle_name, "c" * 40, parsed, {}, None, set(), session)
    with airflow_engine().begin() as connection:
        mark = {"marked": f"{'c' * 40}?unbound", "yes": True}
        connection.execute(sa.text("UPDATE dag SET bundle_version = :marked, is_stale = :yes"), mark)
    assert set(adopt.adopt(seeder.host)) == {"blog"}
    assert (named(), dated(seeder)) == ("c" * 40, set())
    back = seeder.push(blog())
    assert (named(), dated(seeder)) == (f"{back}?unbound", {"blog"})
