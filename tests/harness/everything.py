"""A database in which everything happened that an answer can tell of.

For tests of what the surfaces send: each kind of event, build, run and fault is there. The Dag ``d`` has the
builds 1, 2, a broken one and 3, was rolled back, and has the runs ``one`` (on two versions), ``tried`` and
``mapped``. The Dag ``dated`` has eras, with a run that waits and one that ended unbound, ``windowed`` has
tasks that have a place at some dates only.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from attrs import evolve
from sqlalchemy import delete, insert, select, update

from harness import asked, windowed
from harness.asked import backfill, clear, trigger
from harness.eras import DATES, Dated
from harness.life import Life
from harness.prebuilt import Prebuilt, Text
from harness.seed import Seeder
from pinwheel.core.parse import pinwheel_yaml
from pinwheel.core.parse.policy_yaml import read_platform
from pinwheel.core.release.decide import Verb
from pinwheel.core.request import EraWish, Selection, TimelineRequest
from pinwheel.core.rule_request import CheckRequest, FreezeRequest, LiftRequest, RolloutRequest
from pinwheel.core.selector import Selector
from pinwheel.services import change
from pinwheel.services.ingest import adopt, duplicates, faults, register
from pinwheel.services.ingest.builds import Missed
from pinwheel.services.policy.save import FAULT, save
from pinwheel.services.policy.section import take_section
from pinwheel.services.release import variants
from pinwheel.services.rollout import acts, advance, checks, freeze
from pinwheel.services.rules.overriding import Who
from pinwheel.services.timeline import change as timeline
from pinwheel.services.upkeep import repair
from pinwheel.services.upkeep.beat import Beat
from pinwheel.services.upkeep.keeping_runs import Keeping
from pinwheel.store import policies, verification
from pinwheel.store import tables as t
from pinwheel.store.policies import PolicySource

TRACEBACK = "Traceback\nSyntaxError: oops"
DAG = """
    import datetime
    from airflow.sdk import DAG, TaskGroup, task

    with DAG("d", schedule={schedule}, start_date=datetime.datetime(2024, 1, 1), catchup=False, tags={tags}):
        @task
        def a():
            print({mark!r})
        @task
        def {other}():
            print({mark!r})
        @task(retries={retries})
        def m(n):
            print(n)
        with TaskGroup("g"):
            a() >> {other}()
        m.expand(n=[1, 2])
"""


def dag(
    mark: str, *, other: str = "b", retries: int = 0, schedule: str = "'@daily'", tags: str = "[]"
) -> str:
    return DAG.format(mark=mark, other=other, retries=retries, schedule=schedule, tags=tags)


WATCHING = """from airflow.providers.standard.sensors.external_task import ExternalTaskSensor
from airflow.sdk import DAG

with DAG("watching", schedule=None):
    ExternalTaskSensor(task_id="wait", external_dag_id="dated", external_task_id="publish")
"""


def one_task(dag_id: str, mark: str) -> str:
    return (
        f"from airflow.sdk import DAG, task\nwith DAG({dag_id!r}, schedule=None, description={mark!r}):\n"
        f"    @task\n    def only():\n        print(1)\n    only()\n"
    )


BANK = """
rules:
  - {name: year-end, freeze: {reason: audit, until: "2099-01-01T00:00Z"}, dags: {ids: [watching]}}
  - {name: four-eyes, require: {approve: {}}, dags: {ids: [watching]}, override: [ada]}
policies:
  - {name: watched, dags: {ids: [watching]}, steps: [{check: {name: ci}}, release], newer: queue}
"""
SECTION = "policies: [{name: own, dags: {ids: [watching]}, steps: [{wait: {for: 1h}}, release]}]"
STAGED = """
policies:
  - {name: staged, dags: {ids: [staged]}, steps: [{check: {name: ci}}, {approve: {}}, release]}
  - {name: soaked, dags: {ids: [soaked]}, steps: [release, {soak: {}}]}
"""


class Everything:
    """Makes it all; ``host`` is that of the database, ``dag_ids`` are all Dags in it."""

    dag_ids = (
        "d",
        "unsteady",
        "gone",
        "adopted",
        "foreign",
        "dated",
        "windowed",
        "watching",
        "staged",
        "soaked",
    )

    def __init__(self, folder: Path) -> None:
        self.seeder = Seeder(folder)
        self.host = self.seeder.host
        self._adopt(folder)
        self._runs_and_releases()
        self._unsteady_and_gone()
        self._drift(folder)
        self._faults()
        self._verification()
        self._dates(folder)
        self._rollouts(folder)
        self._freezes()
        self._policies()

    def do(self, verb: Verb, *dag_ids: str, **more: Any) -> None:
        change.apply(self.host, asked.change(verb=verb, dag_ids=dag_ids or ("d",), actor="ada", **more))

    def push(self, files: dict[str, str], **more: Any) -> None:
        rest = {"unsteady.py": one_task("unsteady", "1"), "gone.py": one_task("gone", "1")}
        self.seeder.push({**rest, **files}, **more)

    def _policies(self) -> None:
        """Rules and policies, all of them about ``watching`` alone."""
        save(self.host, "bank", BANK.encode(), actor="ada", reason="the year's end")
        faults.record(self.host, bundle_name=faults.PROCESSOR, place=FAULT, error="line 1: no rules.")
        section = pinwheel_yaml.read(SECTION.encode()).policies
        self.host.unit.run(
            lambda s: take_section(self.host, s, "seed", section, bundle_version="v1", author="ada")
        )

    def _adopt(self, folder: Path) -> None:
        """What stock Airflow had before Pinwheel came."""
        from airflow.dag_processing.collection import update_dag_parsing_results_in_db
        from airflow.serialization.serialized_objects import LazyDeserializedDAG
        from airflow.utils.session import create_session

        from harness.prebuilt import serialized

        path = folder / "adopted.py"
        path.write_text("# adopted\n")
        data = serialized("adopted", "plain")
        data["dag"] |= {"fileloc": str(path), "_processor_dags_folder": str(folder)}
        with create_session() as session:
            update_dag_parsing_results_in_db(
                "seed", "v0", [LazyDeserializedDAG(data=data)], {}, None, set(), session
            )
        adopt.adopt(self.host)

    def _runs_and_releases(self) -> None:
        labelled = dag("1", tags="['version:1.0']")
        self.push({"d.py": labelled})
        self._run("one", "g.a", "g.b")
        self.do(Verb.PIN, reason="quarter end")
        second = dag("2", retries="2", schedule="'0 5 * * *'")
        self.push({"d.py": second})
        trigger(self.host, "d", actor="ada", run_id="tried", build=2, reason="try it")
        self.do(Verb.UNPIN)
        clear(self.host, "d", ["one"], actor="ada", build=2, task_ids=["g.a"])
        Life(self.seeder, "one").execute("g.a", 2)
        self._run("mapped", "g.a")
        self.push({"d.py": f"{second}\n    oops("}, errors={"d.py": TRACEBACK})
        self.do(Verb.ROLLBACK, reason="wrong totals")
        first = datetime(2024, 2, 1, tzinfo=UTC)
        dates = {"from_date": first, "to_date": first + timedelta(1)}
        backfill(self.host, "d", **dates, build=2, reason="last week")
        self._complete_backfills()
        self.push({"d.py": dag("3", other="c")})
        self.do(Verb.REJECT, build=3, reason="not reviewed")
        self.do(Verb.LIFT, build=3)
        self.do(Verb.PROMOTE)
        self.do(Verb.ROLLBACK)

    def _run(self, run_id: str, *task_ids: str) -> None:
        trigger(self.host, "d", actor="ada", run_id=run_id)
        life = Life(self.seeder, run_id)
        for task_id in task_ids:
            life.execute(task_id, 1)
        life.set_run("success")

    def _complete_backfills(self) -> None:
        from airflow.models.backfill import Backfill

        self.host.unit.run(lambda s: s.execute(update(Backfill).values(completed_at=self.host.unit.now())))

    def _unsteady_and_gone(self) -> None:
        same, impure = {"unsteady.py": "same"}, ({"kind": "clock", "detail": "now"},)
        for mark in ("2", "3", "4"):
            files = {"unsteady.py": one_task("unsteady", mark)}
            self.push(files, inputs=same, impure=impure)
        self.seeder.push({"unsteady.py": one_task("unsteady", "4")}, inputs=same, impure=impure)

    def _drift(self, folder: Path) -> None:
        pusher = Prebuilt()
        pusher.push({"foreign": Text("plain", 1)})
        pusher.foreign_parse(folder, "foreign", Text("plain", 2))
        repair.repair_drift(self.host)
        pusher.push({"foreign": None})

    def _faults(self) -> None:
        duplicates.show(self.host, "prebuilt", {"copy.py": {"d": "seed: d.py"}})
        faults.refuse(self.host, bundle_name="seed", version="bad", reason="too large")
        faults.record(self.host, bundle_name=faults.PROCESSOR, place="loop", error="ValueError: x")
        left_out = [{"path": "out", "reason": "a link that leaves the repository"}]
        self.host.unit.run(lambda s: s.execute(update(t.bundle_version).values(left_out=left_out)))

    def _verification(self) -> None:
        """It has found something, and has a file to look at yet."""
        pusher = Prebuilt()
        pusher.push({"foreign": None})
        pusher.push({"foreign": Text("plain", 3)})
        version, seq = pusher.advance([])
        found = pusher.parsed("foreign", version=version, seq=seq, text=Text("daily", 3))
        register.register(self.host, evolve(found, tree="t", missed=Missed(paths=("conf/a.yaml",), of=30)))
        broken = pusher.parsed("foreign", version=version, seq=seq, text=None)
        register.register(self.host, evolve(broken, missed=Missed(paths=("conf/a.yaml",), of=1)))
        register.register(self.host, evolve(found, path="no_dags.py", contents=()))
        self.host.unit.run(lambda s: s.execute(update(t.bundle_version).values(tree="another")))
        self.host.unit.run(
            lambda s: verification.put_budget(s, share=0.05, level=-1, mean=0.2, now=self.host.unit.now())
        )

    def _rollouts(self, folder: Path) -> None:
        """The Dag ``staged``: build 2 was released past its gates, build 3 waits for an approval. The Dag
        ``soaked``: build 2 is watched, build 1 is proven."""
        seeder, soaked = (Seeder(folder / name, name) for name in ("staged", "soaked"))
        seeder.push({"staged.py": one_task("staged", "1")})
        soaked.push({"soaked.py": one_task("soaked", "1")})
        own = t.dag.c.dag_id == "soaked"
        proven = {"proven_build_id": t.dag.c.active_build_id, "proven_version": t.dag.c.released_version}
        self.host.unit.run(lambda session: session.execute(update(t.dag).where(own).values(proven)))
        read = read_platform(STAGED.encode())

        def save(session: Any) -> None:
            now = self.host.unit.now()
            policies.replace(session, PolicySource.PLATFORM, "p", read.policies, actor="ops", now=now)

        self.host.unit.run(save)
        soaked.push({"soaked.py": one_task("soaked", "2")})
        seeder.push({"staged.py": one_task("staged", "2")})
        self.do(Verb.PROMOTE, "staged", now=True, reason="outage")
        seeder.push({"staged.py": one_task("staged", "3")})
        for of in ({"dag_id": "staged", "build": 3}, {"digest": "d"}):
            said = {"url": "https://ci.example/7", "reason": "all green", **of}
            checks.set_check(self.host, CheckRequest(name="ci", verdict="passed", **said), actor="bot")
        advance.turn(self.host, time.monotonic)
        acts.act(self.host, RolloutRequest(dag_id="staged", verb="approve"), Who(actor="grace"))

    def _freezes(self) -> None:
        """One that was lifted, and one that will hold."""
        for lifted in (True, False):
            wish = FreezeRequest(
                selection=Selection(selector=Selector(ids=("d",))),
                since=datetime(2999, 1, 1, tzinfo=UTC),
                reason="year-end closing",
                override=("cfo",),
            )
            made = freeze.freeze(self.host, wish, actor="ada").freeze
            if lifted:
                assert made.name is not None
                freeze.lift(self.host, LiftRequest(name=made.name, reason="not closing"), actor="ada")

    def _dates(self, folder: Path) -> None:
        """A run that waits, one bound late, one that ended unbound; a mark and a row that were put back."""
        from airflow.models.dag_version import DagVersion
        from airflow.sdk import timezone
        from airflow.utils.session import create_session

        blog = Dated(folder / "dated", "dated", eras=False)
        for verb, until in (
            ("set", "2022-01-01"),
            ("set", "2021-01-01"),
            ("unset", "2020-01-01"),
            ("put", "2021-01-01"),
        ):
            era = EraWish(starts="2019-01-01", until=until, build=1)
            wish = TimelineRequest(dag_id="dated", verb=verb, eras=(era,), unchecked=True, reason="fees")
            timeline.change(self.host, wish, actor="ada")
        keeping = Keeping(self.host, time.monotonic)
        ended = blog.run(DATES[1])
        blog.set_run(ended, state="success", start_date=timezone.utcnow(), end_date=timezone.utcnow())
        keeping.tell_ended()
        Beat(self.host).beat()
        blog.set_row(blog.versions[3])
        late = blog.run(DATES[1] + timedelta(1))
        blog.set_run(late, state="running", start_date=timezone.utcnow())
        keeping.mend_running()
        repair.restore_marks(self.host)
        waits = blog.run(DATES[1] + timedelta(2))
        with create_session() as session:
            session.execute(
                update(t.segment)
                .where(t.segment.c.dag_id == "dated")
                .values(number=None, dag_version_id=None)
            )
            gone = session.execute(
                select(t.release).where(t.release.c.dag_id == "dated", t.release.c.release == 1)
            ).one()
            session.execute(delete(t.release).where(t.release.c.id == gone.id))
        keeping.bind_ahead()
        with create_session() as session:
            session.execute(insert(t.release).values(**gone._mapping))
        assert blog.came(waits).state == "queued"

        Seeder(folder / "watching", "watching").push({"watching.py": WATCHING})
        seeder = Seeder(folder / "windowed", "windowed")
        seeder.push(windowed.blog(dag_id="windowed"))
        variants.make_missing(self.host)
        made = min(windowed.numbers("windowed"))
        with create_session() as session:
            of = (DagVersion.dag_id == "windowed", DagVersion.version_number == made)
            session.execute(delete(DagVersion).where(*of))
        variants.make_missing(self.host)
        mapped = "EmptyOperator.partial(task_id='each').expand(doc=old[1].output)"
        seeder.push(windowed.blog(dag_id="windowed", more=mapped))
