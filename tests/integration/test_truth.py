"""What is recorded and shown for each try is what the try printed.

All scenarios run at once on one deployment; then every try's log is compared with what Pinwheel's history,
Airflow's rows and Airflow's REST API say that it ran. ``docs/truth.md`` shows the result.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from harness import bundles
from harness.airflow_env import AirflowEnv
from harness.gitrepo import GitRepo
from harness.inprocess import bound_airflow
from harness.shared import FolderSlot, GitSlot
from harness.truth import CONFIG, Player, Printed, Reader, Reading, Stage
from integration.truth_scenarios import AUDIT, BEYOND, FOLLOWED, SLOW, TABLE, UNVERSIONED

pytestmark = [pytest.mark.airflow, pytest.mark.postgres, pytest.mark.slow]

KINDS = ("git", "folder")
SCENARIOS = {**AUDIT, **BEYOND, **FOLLOWED, **TABLE}
GATE = {
    "git": {
        "W1_body_fn",
        "BA_help",
        "template",
        "S1_structural",
        "W7_W8_midrun_body",
        "W10_midrun_structural",
        "W12_retry_body",
        "W15_clear_run",
        "W17_clear_run_latest",
        "W18_queue_new_tasks",
        "W1_body_unversioned",
        "W4_two_in_30s",
        *FOLLOWED,
    },
    "folder": {"W1_body_fn", "follows", "S1_structural", "W7_W8_midrun_body", "W17_clear_run_latest"},
}
"""By kind of bundle, one case for each way to show a wrong version; ``make test-all`` has all."""
OF_ALL_SURFACES = "W17_clear_run_latest"


def cases(scenarios: Iterable[str]) -> list[Any]:
    """Each of the scenarios on each kind of bundle; those that are not of the gate are marked."""
    return [
        pytest.param(name, kind, marks=() if name in GATE[kind] else pytest.mark.full)
        for kind in KINDS
        for name in scenarios
    ]


def wanted(request: pytest.FixtureRequest) -> list[tuple[str, str]]:
    """Scenario and kind of what the selected tests of this file ask for, in the order of the scenarios."""
    asked = set()
    for item in request.session.items:
        if item.path != request.path:
            continue
        parameters = getattr(getattr(item, "callspec", None), "params", {})
        if "scenario" in parameters:
            asked.add((parameters["scenario"], parameters["kind"]))
        elif item.get_closest_marker("full"):
            return [(name, kind) for name in SCENARIOS for kind in KINDS]
        else:
            asked |= {(OF_ALL_SURFACES, kind) for kind in KINDS}
    return [(name, kind) for name in SCENARIOS for kind in KINDS if (name, kind) in asked]


REMOVED = (
    "Airflow gives the row of a removed task the version in which it is gone, and leaves the number and the"
    " times of its last try in it (models/dagrun.py, verify_integrity); the true row of that try is in"
    " task_instance_history"
)
NEW_TASKS = (
    "Airflow's 'Queue up new tasks' points every task instance of the run, finished ones too, at the newest"
    " version (models/taskinstance.py, _update_dagrun_to_latest_version)"
)
WAITING = (
    "Airflow moves a running run to the newest version and with it what its waiting tasks will execute, but"
    " leaves the version in their rows (models/taskinstance.py, clear_task_instances)"
)
_ROWS = ("airflow.version", "airflow.code", "rest.ti.version", "rest.ti.code")
KNOWN_OUTSIDE: dict[tuple[str, str], str] = {
    **{("W17_clear_run_latest", where): REMOVED for where in ("airflow.listed", *_ROWS)},
    **{("W17_clear_removed_latest", where): REMOVED for where in ("airflow.listed", *_ROWS)},
    **{("W18_queue_new_tasks", where): NEW_TASKS for where in _ROWS},
    **{("latest_while_running", where): WAITING for where in _ROWS},
}
"""(scenario, where): what Airflow itself says wrongly and Pinwheel can not mend, with the reason. Nothing
that Pinwheel says may stand here.
"""


class Played:
    """The deployment after all scenarios."""

    def __init__(
        self, env: AirflowEnv, players: list[Player], truth: dict[str, list[Printed]], seconds: float
    ) -> None:
        self.env = env
        self.players = {player.id: player for player in players}
        self.truth = truth
        self.seconds = seconds

    def readings(self, scenarios: Any = AUDIT) -> list[tuple[Player, Reading]]:
        return [(p, r) for p in self.players.values() if p.scenario in scenarios for r in p.readings]

    def check(self, kind: str, scenario: str) -> None:
        """That a scenario was played, and that nothing says anything wrong about it."""
        player = self.players[f"{kind}-{scenario}"]
        assert player.error is None, player.error
        wrong = [r for r in player.readings if not r.right and not outside(player, r)]
        assert [str(r) for r in wrong if not not_known(player, r)] == []
        for ran in self.truth[player.dag_id]:
            wanted = player.expected.get(ran.run_id, {})
            assert {name: ran.marks.get(name) for name in wanted} == wanted, ran


def not_known(player: Player, reading: Reading) -> bool:
    """Whether Pinwheel says that it does not know: of the try in work while Airflow moved its run (ADR 6)."""
    said_nothing = reading.said == "None" or reading.said.startswith("build None ")
    return player.scenario in BEYOND and reading.where.startswith("pinwheel.") and said_nothing


def outside(player: Player, reading: Reading) -> str | None:
    return KNOWN_OUTSIDE.get((player.scenario, reading.where))


@pytest.fixture(scope="module")
def played(request: pytest.FixtureRequest, session_root: Any, postgres: Any) -> Iterator[Played]:
    root = session_root / "truth"
    slots: dict[str, GitSlot | FolderSlot] = {}
    for name in ("git", "gitslow"):
        slots[name] = GitSlot(name, GitRepo(root / "repos" / name))
        slots[name].repo.commit({".airflowignore": ""}, message="Empty repository")
    for name in ("folder", "folderslow"):
        slots[name] = FolderSlot(name, root / "folders" / name)
        slots[name].path.mkdir(parents=True)
        slots[name].write({".airflowignore": ""})
    entries = [
        bundles.git(slot.name, slot.repo.url)
        if isinstance(slot, GitSlot)
        else bundles.folder(slot.name, slot.path)
        for slot in slots.values()
    ]
    database = postgres.create("truth")
    began = time.monotonic()
    with AirflowEnv(root, database, bundles=entries, config=CONFIG) as env:
        env.start()
        stage = Stage(env, slots)
        players = [
            Player(
                stage=stage,
                scenario=scenario,
                bundle=f"{kind}slow" if scenario in SLOW else kind,
                kind=kind,
                play=SCENARIOS[scenario],
            )
            for scenario, kind in wanted(request)
        ]
        stage.play(players)
        with bound_airflow(database):
            reader = Reader(env)
            for player in players:
                if player.error is None:
                    player.readings = [
                        reading
                        for dag_id in player.dag_ids
                        for reading in reader.read(dag_id, versioned=player.scenario not in UNVERSIONED)
                    ]
            yield Played(env, players, reader.truth, time.monotonic() - began)
    database.drop()


@pytest.mark.parametrize(("scenario", "kind"), cases(AUDIT))
def test_each_try_is_shown_with_the_code_that_it_printed(played: Played, scenario: str, kind: str) -> None:
    played.check(kind, scenario)


@pytest.mark.parametrize(("scenario", "kind"), cases(TABLE))
def test_finished_running_and_retried_tries_keep_their_code_after_a_change_of_one_kind(
    played: Played, scenario: str, kind: str
) -> None:
    assert len(played.players[f"{kind}-{scenario}"].expected) == 4
    played.check(kind, scenario)


@pytest.mark.parametrize(("scenario", "kind"), cases(BEYOND))
def test_a_run_moved_to_the_latest_version_while_it_runs_is_shown_as_it_ran(
    played: Played, scenario: str, kind: str
) -> None:
    played.check(kind, scenario)


@pytest.mark.parametrize(("scenario", "kind"), cases(FOLLOWED))
def test_a_run_after_a_follow_is_shown_as_it_ran_and_its_version_row_holds_the_same_for_its_build(
    played: Played, scenario: str, kind: str
) -> None:
    played.check(kind, scenario)
    assert played.players[f"{kind}-{scenario}"].expected
    rows = [
        reading
        for reading in played.players[f"{kind}-{scenario}"].readings
        if reading.where in ("airflow.run.created", "rest.ti.version")
    ]
    assert {reading.where for reading in rows if reading.said != reading.ran} == {
        "airflow.run.created",
        "rest.ti.version",
    }, "no run followed, or a version row was moved"


@pytest.mark.full
def test_a_run_in_flight_on_a_folder_keeps_its_release(played: Played) -> None:
    """Stock Airflow takes whatever lies in the folder when a task starts."""
    changed = [
        p for p in played.players.values() if p.kind == "folder" and p.expected and p.scenario in AUDIT
    ]
    assert len(changed) == 7
    for player in changed:
        for run_id in player.expected:
            tries = [ran for ran in played.truth[player.dag_id] if ran.run_id == run_id]
            assert len({ran.sha for ran in tries}) == 1, player.id


@pytest.mark.parametrize("kind", KINDS)
def test_the_history_command_and_the_rest_api_say_what_the_tries_printed(played: Played, kind: str) -> None:
    dag_id = f"{kind}_{OF_ALL_SURFACES.lower()}"
    printed = {(ran.run_id, ran.task_id, ran.try_number): ran.sha for ran in played.truth[dag_id]}
    shown = [
        played.env.pinwheel("history", dag_id),
        played.env.get(f"/pinwheel/api/v1/dags/{dag_id}/runs")["tries"],
    ]
    for rows in shown:
        said = {(r["run_id"], r["task_id"], r["try_number"]): r["bundle_version"] for r in rows}
        assert said == printed


@pytest.mark.full
@pytest.mark.parametrize("kind", KINDS)
def test_the_graph_of_each_version_has_the_groups_of_that_version(played: Played, kind: str) -> None:
    """Airflow's grid merges the groups of all versions (W19); its graph of one version is right."""
    dag_id = f"{kind}_w19_moved_no_prefix"
    groups = {}
    for number in (1, 2):
        graph = played.env.get("/ui/structure/structure_data", dag_id=dag_id, version_number=number)
        groups[number] = {node["id"] for node in graph["nodes"]}
    assert groups == {1: {"g1"}, 2: {"g2"}}


@pytest.mark.full
def test_none_of_the_72_cases_of_the_audit_is_wrong(played: Played, capsys: Any) -> None:
    audit = [player for player in played.players.values() if player.scenario in AUDIT]
    readings = played.readings()
    bad = [str(r) for p, r in readings if not r.right and not outside(p, r)]
    known = [r for p, r in readings if not r.right and outside(p, r)]
    tries = sum(len(played.truth.get(dag_id, [])) for player in audit for dag_id in player.dag_ids)
    said_by = Counter(reading.where.split(".")[0] for _, reading in readings)
    with capsys.disabled():
        print(
            f"\nTruth: {len(audit)} cases, {tries} tries, {len(readings)} readings"
            f" ({', '.join(f'{name} {count}' for name, count in sorted(said_by.items()))}), {len(bad)} wrong,"
            f" {len(known)} known to be wrong in Airflow's own rows; {played.seconds:.0f} s"
        )
    assert len(audit) == 72
    assert [f"{player.id}: {player.error}" for player in audit if player.error] == []
    assert bad == []


@pytest.mark.full
def test_what_is_known_to_be_wrong_outside_of_pinwheel_still_is(played: Played) -> None:
    """So that the list shrinks when Airflow mends it, and never holds what Pinwheel says."""
    found = {(p.scenario, r.where) for p, r in played.readings(SCENARIOS) if not r.right}
    assert set(KNOWN_OUTSIDE) - found == set()
    assert [where for _, where in KNOWN_OUTSIDE if where.startswith("pinwheel")] == []
