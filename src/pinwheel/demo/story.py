"""The story: a shop's releases, up to one that is rolled back by itself. Each step shows, and checks that."""

from __future__ import annotations

from typing import Any

from pinwheel.demo.repository import SampleRepository
from pinwheel.demo.stage import Stage

ORDERS, CATALOG, SEARCH, INVENTORY = "orders_daily", "catalog_publish", "search_index", "inventory_hourly"
ACME = "export_acme"
DAGS = {ORDERS, CATALOG, SEARCH, INVENTORY, ACME, "export_globex", "export_initech"}
PRICES = "dags/shop/prices.py"
POLICIES = "pinwheel.yaml"


def tell(stage: Stage, repository: SampleRepository) -> Story:
    """Tell it from beginning to end; what was learned on the way.

    :raises StoryFailed: a step did not show what it should.
    """
    story = Story(stage, repository)
    story.first_release()
    story.push_a_helper()
    story.pin()
    story.push_behind_the_pin()
    story.try_the_held_build()
    story.promote()
    story.push_what_is_broken()
    story.roll_back()
    story.look_back()
    story.let_somebody_else_look()
    story.roll_back_by_itself()
    return story


class Story:
    """The steps, in order; what one learns, a later one checks."""

    def __init__(self, stage: Stage, repository: SampleRepository) -> None:
        self.stage = stage
        self.repository = repository
        self.commits = [repository.head()]
        """Commit of build 1, 2, 3 of orders_daily."""
        self.runs: dict[int, str] = {}
        """Build to a run of orders_daily on it."""

    def first_release(self) -> None:
        s = self.stage
        s.chapter("The first release")
        s.say("The pipelines of a shop, in a git repository. Each Dag was parsed, and released at once.")
        s.wait("the first parse", lambda: {dag["dag_id"] for dag in s.backend.status()} >= DAGS)
        s.pinwheel("status")
        shown = s.json("status")
        s.require({dag["dag_id"] for dag in shown} == DAGS, f"expected the Dags {DAGS}, found {shown}")
        for dag in shown:
            s.check(dag, active_release=1, active_build=1, held=False, track="auto", broken=None)
        s.say("Airflow's own scheduler runs them.")
        first = s.wait(f"the first scheduled run of {ORDERS}", lambda: s.runs(ORDERS))[0]["dag_run_id"]
        s.wait_run(ORDERS, first)
        self.runs[1] = first
        s.show(self._printed(first))
        s.require("VAT 19 %" in self._printed(first), "the first run should count with 19 % VAT")

    def push_a_helper(self) -> None:
        s = self.stage
        s.chapter("A push that changes only a helper")
        self._push(
            {PRICES: lambda text: text.replace("VAT_PERCENT = 19", "VAT_PERCENT = 21")},
            "VAT is 21 % from now on",
        )
        s.wait("the new build and its release", lambda: self._is(ORDERS, active_build=2, active_release=2))
        s.wait("the other Dag that uses it", lambda: self._is(CATALOG, active_build=2, active_release=2))
        s.pinwheel("status")
        s.say("Two Dags import the helper: both have a new build and release. The others have not.")
        for dag_id in DAGS:
            expected = 2 if dag_id in (ORDERS, CATALOG) else 1
            s.check(s.status(dag_id), active_release=expected, active_build=expected)
        s.pinwheel("diff", ORDERS, "1", "2")
        changed = s.json("diff", ORDERS, "1", "2")["files"]
        s.require(
            [f["path"] for f in changed] == [PRICES.removeprefix("dags/")],
            f"expected the helper, found {changed}",
        )

    def pin(self) -> None:
        s = self.stage
        s.chapter("Month-end closing: nothing may change")
        s.pinwheel("pin", ORDERS, "--reason", "month-end closing")
        s.check(s.status(ORDERS), track="pinned", active_release=2, held=False)

    def push_behind_the_pin(self) -> None:
        s = self.stage
        s.chapter("A push behind the pin")
        self._push(
            {
                "dags/orders_daily.py": lambda text: text.replace(_STORE, _STORE_AND_REPORT),
                "dags/sql/day_total.sql": lambda text: text.rstrip("\n") + "\nWHERE pieces > 1\n",
            },
            "Leave out small orders, report the total",
        )
        s.wait("the held build", lambda: self._is(ORDERS, newest_build=3))
        s.pinwheel("status", ORDERS)
        s.check(s.status(ORDERS), held=True, active_release=2, active_build=2, newest_build=3, track="pinned")
        s.say("Build 3 is there, and held: the scheduler goes on with release 2.")

    def try_the_held_build(self) -> None:
        s = self.stage
        s.chapter("A run on the held build")
        run_id = "trial-of-build-3"
        s.pinwheel("trigger", ORDERS, "--build", "3", "--run-id", run_id)
        s.wait_run(ORDERS, run_id)
        self.runs[3] = run_id
        s.show(self._printed(run_id))
        s.require("3 orders" in self._printed(run_id), "the trial should run the new SQL template")
        s.check(s.status(ORDERS), active_release=2, active_build=2, held=True)
        s.say("It ran the new code, template included. What is released has not changed.")

    def promote(self) -> None:
        s = self.stage
        s.chapter("Promote it")
        s.pinwheel("promote", ORDERS, "--plan")
        s.check(s.status(ORDERS), active_release=2)
        s.pinwheel("promote", ORDERS, "--reason", "tried, looks good")
        s.check(s.status(ORDERS), active_release=3, active_build=3, held=False, track="pinned")

    def push_what_is_broken(self) -> None:
        s = self.stage
        s.chapter("A bad push, which stops nothing")
        self._push({PRICES: lambda text: text.replace("-> int:", "-> int")}, "Tidy up", counts=False)
        s.wait(
            "the broken build",
            lambda: bool(s.backend_status(CATALOG)["broken"] and s.backend_status(ORDERS)["broken"]),
        )
        s.pinwheel("status")
        for dag_id, release in ((CATALOG, 2), (ORDERS, 3)):
            shown = s.status(dag_id)
            s.check(shown, active_release=release)
            s.require(
                "SyntaxError" in str(shown["broken"]),
                f"{dag_id} should name the error, found {shown['broken']}",
            )
        errors = s.airflow.get("/api/v2/importErrors").raise_for_status().json()["import_errors"]
        s.require(
            any("SyntaxError" in error["stack_trace"] for error in errors),
            f"Airflow's import errors should show it, found {errors}",
        )
        names = sorted(error["filename"] for error in errors)
        s.say(f"Airflow's import errors name {', '.join(names)}. Both Dags go on with what is released:")
        indexed = len(s.runs(SEARCH))
        s.pinwheel("trigger", CATALOG, "--run-id", "while-broken")
        s.wait_run(CATALOG, "while-broken")
        s.wait(f"{SEARCH}, which follows the asset", lambda: len(s.runs(SEARCH)) > indexed)
        run_id = s.runs(SEARCH)[-1]["dag_run_id"]
        s.wait_run(SEARCH, run_id)
        s.say(f"{CATALOG} ran, and so did {SEARCH}, which waits for its asset.")

    def roll_back(self) -> None:
        s = self.stage
        s.chapter("3 a.m.: the totals are wrong. Roll back")
        seconds = s.pinwheel("rollback", ORDERS, "--reason", "small orders are missing")
        s.say(f"{seconds:.1f} s, the start of the command included. No parse, no push, no file was read.")
        s.check(s.status(ORDERS), active_release=4, active_build=2, track="pinned", held=True)
        run_id = "after-the-rollback"
        s.pinwheel("trigger", ORDERS, "--run-id", run_id)
        s.wait_run(ORDERS, run_id)
        self.runs[2] = run_id
        s.show(self._printed(run_id))
        s.require(
            "4 orders" in self._printed(run_id), "the run after the rollback should have the former SQL"
        )
        s.require(
            "VAT 21 %" in self._printed(run_id), "the run after the rollback should have build 2's helper"
        )

    def look_back(self) -> None:
        s = self.stage
        s.chapter("What really ran")
        s.pinwheel("history", ORDERS)
        tries = s.json("history", ORDERS)
        for build, run_id in self.runs.items():
            of_run = [row for row in tries if row["run_id"] == run_id]
            s.require(of_run, f"the history should show run {run_id}")
            for row in of_run:
                s.check(row, build=build, bundle_version=self.commits[build - 1])
        s.pinwheel("releases", ORDERS)
        kinds = [release["kind"] for release in s.json("releases", ORDERS)]
        s.require(kinds == ["rollback", "promote", "auto", "auto"], f"expected four releases, found {kinds}")
        s.pinwheel("events", ORDERS)
        events = [event["kind"] for event in s.json("events", ORDERS)]
        s.require({"pin", "promote", "rollback", "trigger"} <= set(events), f"found only the events {events}")

    def let_somebody_else_look(self) -> None:
        s = self.stage
        s.chapter("Orders to suppliers: somebody else looks first")
        s.say("A policy in the repository: what is new waits for a person who had no part in it.")
        self._push(
            {
                POLICIES: lambda _: _POLICY,
                "dags/inventory_hourly.py": lambda text: text.replace(
                    '< int(row["sold"])', '< 2 * int(row["sold"])'
                ),
            },
            "Order earlier, and ask somebody before",
            counts=False,
        )
        s.show(_POLICY)
        s.wait("the build that waits", lambda: self._is(INVENTORY, newest_build=2))
        s.pinwheel("status", INVENTORY)
        s.pinwheel("rollout", "show", INVENTORY)
        s.check(s.json("rollout", "show", INVENTORY), build=2, state="waiting", policy="orders to suppliers")
        s.check(s.status(INVENTORY), active_release=1, active_build=1, newest_build=2, held=True)
        s.say("Ada wrote it, so she can not approve it; any commit that drops the policy would wait too.")
        s.pinwheel("rollout", "approve", INVENTORY, "--reason", "the suppliers know")
        s.pinwheel("rollout", "wait", INVENTORY, "--for", "released", "--timeout", "5m")
        s.check(s.status(INVENTORY), active_release=2, active_build=2, held=False)
        approved = s.json("rollout", "show", INVENTORY)["verdicts"]
        s.require(
            [(each["verdict"], each["reason"]) for each in approved] == [("passed", "the suppliers know")],
            f"expected the one approval, found {approved}",
        )

    def roll_back_by_itself(self) -> None:
        s = self.stage
        s.chapter("A bad build that is rolled back by itself")
        s.say(f"Five runs of {ACME} end well: that proves what they ran on.")
        before = [f"export-{number}" for number in range(1, 6)]
        for run_id in before:
            s.start_run(ACME, run_id)
        for run_id in before:
            s.wait_run(ACME, run_id)
        self._push(
            {
                POLICIES: lambda text: text + _WATCH,
                "dags/customer_exports.yaml": lambda text: text.replace("pieces]", "quantity]", 1),
            },
            "Export quantities, and watch the first runs",
            counts=False,
        )
        s.show(_WATCH)
        s.wait("the release that is watched", lambda: self._is(ACME, active_build=2))
        s.pinwheel("status", ACME)
        watch = s.status(ACME)["watch"]
        s.require(
            watch is not None and watch["goes_back_to"] and watch["goes_back_to"]["build"] == 1,
            f"release 2 should be watched, with build 1 as its way back, found {watch}",
        )
        s.say("The column is called pieces: the next run fails. Nobody is awake.")
        run_id = "export-of-the-night"
        s.start_run(ACME, run_id)
        s.wait("the rollback", lambda: self._is(ACME, active_build=1))
        s.pinwheel("status", ACME)
        shown = s.status(ACME)
        s.check(shown, active_release=3, active_build=1, track="pinned", actor="pinwheel", held=True)
        s.require(run_id in shown["reason"], f"the reason should name the run, found {shown['reason']}")
        s.wait_run(ACME, run_id)
        s.say("What failed ran again on build 1, and ended well.")
        s.pinwheel("rollout", "show", ACME)
        s.check(s.json("rollout", "show", ACME), build=2, state="rolled_back")
        on = {row["build"] for row in s.json("history", ACME) if row["run_id"] == run_id}
        s.require(on >= {1, 2}, f"the run should have tries on build 2 and build 1, found {on}")

    def _push(self, changes: dict[str, Any], message: str, *, counts: bool = True) -> None:
        commit = self.repository.push(changes, message)
        if counts:
            self.commits.append(commit)
        self.stage.command("git push")
        self.stage.show(self.repository.summary())

    def _is(self, dag_id: str, **expected: Any) -> bool:
        found = self.stage.backend_status(dag_id)
        return all(found[name] == value for name, value in expected.items())

    def _printed(self, run_id: str) -> str:
        """The one line that the run's task add_vat printed."""
        lines = self.stage.log(ORDERS, run_id, "add_vat").splitlines()
        return f"{run_id}: " + next((line for line in lines if " EUR with " in line), "(nothing)")


_POLICY = """\
policies:
  - name: orders to suppliers
    dags: {tags: [inventory]}
    steps: [{approve: {}}, release]
"""
_WATCH = """\
  - name: exports
    dags: {tags: [exports]}
    steps: [release, {soak: {runs: 3}}]
    rollback: {when: first-failure, rerun_failed: true}
"""
_STORE = "    store(add_vat(sum_up.output))\n"
_STORE_AND_REPORT = """
    @task
    def report(total: dict[str, int]) -> None:
        print("reported", total)

    total = add_vat(sum_up.output)
    store(total)
    report(total)
"""
