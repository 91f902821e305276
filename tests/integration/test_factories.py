"""One Dag file that makes many Dags: a new build of each whose content changed, and of no other.

The real loop over a git bundle, in this process; each factory is a folder of it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from harness import bundles
from harness.gitrepo import GitRepo
from harness.loop import Loop, own_loop
from pinwheel.services.ingest.builds import HELD_VALUES
from pinwheel.services.show import builds as shown

CONFIGS = 31
OF_CASE = """
import json
from pathlib import Path
import pendulum
from airflow.sdk import DAG
from airflow.providers.standard.operators.empty import EmptyOperator
HERE = Path(__file__).parent

for path in sorted((HERE / "conf").glob("*.json")):
    with DAG("{name}_" + path.stem, schedule=json.loads(path.read_text()),
             start_date=pendulum.datetime(2026, 1, 1)):
        EmptyOperator(task_id="t")
"""
HOLDING = """
import json
from pathlib import Path
import pendulum
from airflow.sdk import DAG
from airflow.providers.standard.operators.python import PythonOperator
HERE = Path(__file__).parent
CONF = {path.stem: json.loads(path.read_text()) for path in sorted((HERE / "conf").glob("*.json"))}

def read(conf):
    def inner():
        return conf["v"]
    return inner

def blind(conf):
    rows = (row for row in [conf["v"]])
    def inner():
        return next(rows)
    return inner

for name, make in {"one": read, "two": read, "blind": blind}.items():
    with DAG("held_" + name, schedule=None, start_date=pendulum.datetime(2026, 1, 1)):
        PythonOperator(task_id="t", python_callable=make(CONF[name]))
"""
OWN_OPERATOR = """
import os
import pendulum
from airflow.sdk import DAG, BaseOperator
WHERE = os.environ.get("SOME_PLACE", "here")

class Own(BaseOperator):
    def execute(self, context):
        return WHERE

def told(context):
    return WHERE

with DAG("own_operator", schedule=None, start_date=pendulum.datetime(2026, 1, 1), on_failure_callback=told):
    Own(task_id="t")
"""


CLOCK = """
import datetime
from airflow.sdk import DAG
from airflow.providers.standard.operators.python import PythonOperator
NOW = datetime.datetime.now()

with DAG("clock", schedule=None, start_date=datetime.datetime(2026, 1, 1)):
    PythonOperator(task_id="t", python_callable=lambda: NOW)
"""


class Deployment:
    def __init__(self, loop: Loop, repo: GitRepo) -> None:
        self.loop, self.repo = loop, repo

    def builds(self) -> Counter[str]:
        """So many builds of each Dag."""
        return Counter(row["dag_id"] for row in self.loop.rows("SELECT dag_id FROM pinwheel_build"))

    def parses(self, path: str) -> int:
        (row,) = self.loop.rows(
            "SELECT count(*) AS n FROM pinwheel_parse WHERE relative_fileloc = :path", path=path
        )
        return int(row["n"])

    def parse_again(self, path: str) -> None:
        """Turn until an impure file was parsed once more."""

        def parsed_at() -> list[dict[str, Any]]:
            return self.loop.rows(
                "SELECT max(parsed_at) AS at FROM pinwheel_parse WHERE relative_fileloc = :path", path=path
            )

        before = parsed_at()
        self.loop.turn_until(lambda: parsed_at() != before, what=f"a parse of {path}")

    def made_by(self, files: dict[str, str | None]) -> dict[str, int]:
        """So many new builds of each Dag that a commit of these files made."""
        before = self.builds()
        sha = self.repo.commit(files)
        self.loop.turn_until(lambda: self.loop.settled("b", sha), what="the push")
        return dict(self.builds() - before)


@pytest.fixture(scope="module")
def deployment(sqlite: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    root = tmp_path_factory.mktemp("factories")
    repo = GitRepo(root / "repo")
    names = [f"c{n:02}" for n in range(CONFIGS)]
    files = {f"{case}/dag.py": OF_CASE.replace("{name}", case) for case in ("changes", "grows")}
    files |= {
        f"{case}/conf/{name}.json": json.dumps("@daily") for case in ("changes", "grows") for name in names
    }
    files |= {"held/dag.py": HOLDING, "own/dag.py": OWN_OPERATOR, "clock/dag.py": CLOCK}
    files |= {f"held/conf/{name}.json": '{"v": 1, "unused": 1}' for name in ("one", "two", "blind", "more")}
    repo.commit(files)
    with own_loop(
        sqlite,
        root,
        bundles.git("b", repo.url, refresh_interval=0),
    ) as loop:
        loop.turn_until(lambda: loop.settled("b"), what="the first version")
        yield Deployment(loop, repo)


@pytest.mark.acceptance("pushes", 34)
def test_a_config_that_changes_makes_a_build_of_its_dag_alone(deployment: Deployment) -> None:
    before = deployment.parses("changes/dag.py")
    assert deployment.made_by({"changes/conf/c00.json": json.dumps("@weekly")}) == {"changes_c00": 1}
    assert deployment.parses("changes/dag.py") == before + 1


@pytest.mark.acceptance("pushes", 34)
def test_a_config_that_comes_or_goes_makes_builds_of_no_other_dag(deployment: Deployment) -> None:
    before = deployment.parses("grows/dag.py")
    assert deployment.made_by({"grows/conf/README": "what is here"}) == {}
    assert deployment.made_by({"grows/conf/c99.json": json.dumps("@hourly")}) == {"grows_c99": 1}
    assert deployment.made_by({"grows/conf/c00.json": None}) == {}
    assert deployment.parses("grows/dag.py") == before + 3, "each was parsed"


@pytest.mark.acceptance("pushes", 37)
def test_a_dag_that_can_not_be_read_gets_a_build_for_each_change_of_its_files_data_and_says_so(
    deployment: Deployment,
) -> None:
    from pinwheel.airflow3.host import airflow_host

    made = deployment.made_by({"held/conf/more.json": '{"v": 1, "unused": 2}'})
    assert made == {"held_blind": 1}
    assert deployment.made_by({"held/conf/one.json": '{"v": 2, "unused": 1}'}) == {
        "held_one": 1,
        "held_blind": 1,
    }
    host = airflow_host()
    for dag_id, why in {"held_blind": ("generator",), "held_one": ()}.items():
        for build in shown.builds(host, dag_id):
            assert len(build.unread) == len(why)
            assert all(word in text for word, text in zip(why, build.unread, strict=True))


def test_what_only_the_parse_read_is_kept_with_a_build_and_marked(deployment: Deployment) -> None:
    from pinwheel.airflow3.host import airflow_host

    assert "held_two" in deployment.made_by({"held/conf/two.json": '{"v": 7, "unused": 1}'})
    assert deployment.made_by({"held/dag.py": HOLDING + "# more\n"})["held_two"] == 1
    host = airflow_host()
    last = max(build.build or 0 for build in shown.builds(host, "held_two"))
    changed = {file.path: file.read_at_parse for file in shown.diff(host, "held_two", last - 1, last).files}
    assert changed == {"held/dag.py": False}
    changed = {file.path: file.read_at_parse for file in shown.diff(host, "held_two", 1, last).files}
    assert changed["held/conf/two.json"] and not changed["held/dag.py"]


def test_an_operator_in_the_dags_own_file_makes_no_build_per_commit(deployment: Deployment) -> None:
    def parsed_at() -> list[dict[str, Any]]:
        return deployment.loop.rows(
            "SELECT max(parsed_at) AS at FROM pinwheel_parse WHERE impure IS NOT NULL"
        )

    for n in range(2):
        assert deployment.made_by({"readme.md": f"{n}"}) == {}
        # Impure, so it is parsed in each version all the same
        before = parsed_at()
        deployment.loop.turn_until(lambda before=before: parsed_at() != before, what="its parse")
    assert deployment.builds()["own_operator"] == 1
    assert deployment.loop.rows("SELECT unstable FROM pinwheel_build WHERE dag_id = 'own_operator'") == [
        {"unstable": None}
    ]


def test_a_dag_whose_code_holds_the_time_is_unstable_and_floods_no_history(deployment: Deployment) -> None:
    from pinwheel.airflow3.host import airflow_host

    for _ in range(2):
        deployment.parse_again("clock/dag.py")
    (build,) = shown.builds(airflow_host(), "clock")
    assert build.unstable == (HELD_VALUES,)


def test_builds_that_an_older_pinwheel_told_apart_in_another_way_stay_the_builds(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pinwheel.core import build

    fitting = build.BuildContent.digest
    monkeypatch.setattr(build.BuildContent, "digest", build.BuildContent.former_digest)
    later = HOLDING + "# as of an older one\n"
    assert deployment.made_by({"held/dag.py": later}).keys() == {"held_one", "held_two", "held_blind"}
    monkeypatch.setattr(build.BuildContent, "digest", fitting)
    # Away and back, with the parse that knew it forgotten: an upgrade whose first parse this is
    deployment.made_by({"held/dag.py": HOLDING})
    with deployment.loop.database.engine().begin() as connection:
        connection.exec_driver_sql("DELETE FROM pinwheel_parse WHERE relative_fileloc = 'held/dag.py'")
    assert deployment.made_by({"held/dag.py": later}) == {}
    assert deployment.made_by({"held/conf/one.json": '{"v": 3, "unused": 1}'}) == {
        "held_one": 1,
        "held_blind": 1,
    }
