"""What a repository declares in its ``pinwheel.yaml`` counts for the Dags that it is declared for.

Real commits, parses and versions, under the processor's loop in this process. The Dags of these files read
what is declared in no way that a parse could see.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import bundles
from harness.gitrepo import GitRepo
from harness.loop import Loop, own_loop
from pinwheel.airflow3.processor.declarations import Declarations, _read
from pinwheel.core.parse.declared import NOTHING

pytestmark = pytest.mark.postgres

DAG = """
import datetime
from airflow.sdk import DAG, task

with DAG({dag_id!r}, schedule="@daily", start_date=datetime.datetime(2024, 1, 1), tags={tags!r}):
    @task
    def t():
        print(open(str(chr(100)) + "bt").read())
    t()
"""
PLACE = "pinwheel.yaml"


def dag(dag_id: str, *tags: str) -> str:
    return DAG.format(dag_id=dag_id, tags=list(tags))


def rules(*files: str, dags: str = "{ids: [sales]}") -> str:
    return f"inputs:\n  - dags: {dags}\n    files: [{', '.join(files)}]\n"


class Pushed:
    """Bundles under one processor: a repository, a folder of one, and a folder."""

    def __init__(self, loop: Loop, repos: dict[str, GitRepo], folder: Path) -> None:
        self.loop, self.repos, self.folder = loop, repos, folder

    def push(self, bundle: str, files: dict[str, str | bytes | None]) -> str:
        sha = self.repos[bundle].commit(files)
        self.loop.turn_until(lambda: self.settled(bundle, sha), what=f"settling {bundle}")
        return sha

    def settled(self, bundle: str, sha: str) -> bool:
        head = self.loop.manager.heads.get(bundle)
        known = self.loop.manager.intake.files_of(bundle).values()
        return self.loop.settled(bundle, sha) and head is not None and all(k.seq == head.seq for k in known)

    def parses(self, bundle: str, after: int = 0) -> list[int]:
        """Ids of parses. Older ones may have been pruned."""
        query = "SELECT id FROM pinwheel_parse WHERE bundle_name = :b AND id > :after ORDER BY id"
        return [row["id"] for row in self.loop.rows(query, b=bundle, after=after)]

    def builds(self) -> dict[str, int]:
        rows = self.loop.rows("SELECT dag_id, max(build) AS n FROM pinwheel_build GROUP BY dag_id")
        return {row["dag_id"]: row["n"] for row in rows}

    def made(self, bundle: str, files: dict[str, str | bytes | None]) -> tuple[int, set[str]]:
        """Parses, and the Dags with a new build, of a push."""
        last, builds = self.parses(bundle)[-1], self.builds()
        self.push(bundle, files)
        after = self.builds()
        return len(self.parses(bundle, last)), {d for d, n in after.items() if n != builds.get(d, 0)}

    def fault(self, bundle: str) -> str | None:
        return self.loop.faults(bundle).get((bundle, PLACE))

    def events(self, bundle: str) -> list[str]:
        found = [event for event in self.loop.events("fault") if event["bundle_name"] == bundle]
        return [event["reason"] for event in found]


@pytest.fixture(scope="module")
def pushed(postgres: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pushed]:
    root = tmp_path_factory.mktemp("declared")
    repos = {name: GitRepo(root / name) for name in ("whole", "part")}
    repos["whole"].commit(
        {
            "dags/two.py": dag("sales") + dag("stock", "dbt"),
            "dags/alone.py": dag("alone"),
            "dbt/models/m.sql": "one",
            "dbt/project.yml": "one",
            "other.txt": "one",
        }
    )
    repos["part"].commit(
        {
            "airflow/dags/part.py": dag("part", "dbt"),
            "airflow/dags/near.sql": "one",
            "dbt/m.sql": "one",
            PLACE: rules("dbt/**", "airflow/dags/*.sql", dags="{tags: [dbt]}"),
        }
    )
    folder = root / "folder"
    (folder / "sql").mkdir(parents=True)
    (folder / "local.py").write_text(dag("local"))
    (folder / "sql" / "q.sql").write_text("one")
    (folder / PLACE).write_text(rules("sql/*", dags="{globs: [loc*]}"))
    with own_loop(
        postgres,
        root,
        bundles.git("whole", repos["whole"].url, refresh_interval=0),
        bundles.git("part", repos["part"].url, refresh_interval=0, subdir="airflow/dags"),
        bundles.folder("folder", folder, refresh_interval=0),
    ) as loop:
        there = {"sales", "stock", "alone", "part", "local"}
        loop.turn_until(lambda: {row["dag_id"] for row in loop.rows("SELECT dag_id FROM dag")} == there)
        yield Pushed(loop, repos, folder)


@pytest.mark.acceptance("pushes", 26)
def test_declared_files_make_a_new_build_of_the_dags_they_are_declared_for_and_of_no_other(
    pushed: Pushed,
) -> None:
    assert pushed.made("whole", {"dbt/models/m.sql": "two"}) == (0, set()), "nobody said so yet"
    assert pushed.made("whole", {PLACE: rules("dbt/**")}) == (1, {"sales"}), "it depends on more now"
    assert pushed.made("whole", {"dbt/models/new/n.sql": "new", "other.txt": "two"}) == (1, {"sales"})
    same = "# a comment\n" + rules("dbt/models/**", "dbt/*.yml")
    assert pushed.made("whole", {PLACE: same, "other.txt": "three"}) == (0, set()), "the same files"
    by_tag = rules("dbt/models/**") + rules("dbt/*.yml", dags="{tags: [dbt]}").removeprefix("inputs:\n")
    assert pushed.made("whole", {PLACE: by_tag}) == (1, {"sales", "stock"}), "one file, both of its Dags"
    assert pushed.made("whole", {"dbt/project.yml": "two"}) == (1, {"stock"})
    removed: dict[str, str | bytes | None] = {PLACE: None, "dbt/project.yml": "three"}
    assert pushed.made("whole", removed) == (0, set()), "it was parsed before without rules"
    assert pushed.fault("whole") is None and pushed.events("whole") == []


@pytest.mark.acceptance("pushes", 26)
def test_with_a_folder_of_a_repository_as_bundle_the_file_and_its_paths_are_the_repositorys(
    pushed: Pushed,
) -> None:
    from pinwheel.store import builds

    assert pushed.made("part", {"dbt/m.sql": "two", "airflow/other.sql": "two"}) == (1, {"part"}), "beside"
    assert pushed.made("part", {"airflow/dags/near.sql": "two"}) == (1, {"part"}), "in it"
    assert pushed.made("part", {"airflow/other.sql": "three"}) == (0, set())
    (row,) = pushed.loop.rows(
        "SELECT id FROM pinwheel_build WHERE dag_id = 'part' ORDER BY build DESC LIMIT 1"
    )
    host = pushed.loop.manager.host
    files = host.unit.run(lambda session: builds.files(session, row["id"]))
    assert set(files) == {"part.py", "near.sql", "//dbt/m.sql"}
    texts = host.unit.run(lambda session: builds.sources(session, list(files.values())))
    assert texts[files["//dbt/m.sql"]] == b"two", "the text of declared files is kept with the build"


def test_a_folder_bundle_takes_the_file_too(pushed: Pushed) -> None:
    before = pushed.builds()["local"]
    (pushed.folder / "sql" / "q.sql").write_text("two")
    pushed.loop.turn_until(lambda: pushed.builds()["local"] == before + 1)


@pytest.mark.acceptance("pushes", 26)
def test_while_the_file_is_wrong_the_former_rules_stay_in_force_and_it_is_shown_and_told_once(
    pushed: Pushed,
) -> None:
    from pinwheel.services.show.bundles import standings

    good = pushed.push("whole", {PLACE: rules("dbt/models/**")})
    wrong = "inputs:\n  - dags: {ids: [sales]}\n    files: [dbt/**]\n    file: [other.txt]\n"
    assert pushed.made("whole", {PLACE: wrong, "dbt/project.yml": "wrong"}) == (0, set()), "not by new rules"
    (shown,) = standings(pushed.loop.manager.host).only(["whole"]).bundles
    assert shown.state == "failing" and shown.problem is not None
    said = str(shown.problem.reason)
    assert "Cannot use pinwheel.yaml: line 4: 'file' is no key of inputs[0]" in said
    assert "Write 'files', if that is meant." in said
    assert f"until then the rules of version {good} stay in force" in said
    assert pushed.made("whole", {"dbt/models/m.sql": "wrong"}) == (1, {"sales"}), "by the former rules"
    assert pushed.events("whole") == [said], "one event for each text"

    prepared = pushed.loop.manager.intake.declarations._heads["whole"][0]
    anew = Declarations(pushed.loop.manager.host, pushed.loop.manager.boundary).at("whole", prepared)
    assert anew.wrong and anew.declared == pushed.loop.manager.heads["whole"].declared
    assert set(anew.declared.of("sales")) == {"dbt/models/m.sql", "dbt/models/new/n.sql"}, "so does another"

    assert pushed.made("whole", {PLACE: rules("dbt/**")}) == (1, {"sales"})
    (shown,) = standings(pushed.loop.manager.host).only(["whole"]).bundles
    assert shown.state == "ok"


@pytest.mark.acceptance("pushes", 26)
def test_an_id_without_a_dag_leaves_the_former_rules_in_force_until_the_dag_is_there(pushed: Pushed) -> None:
    wider = rules("dbt/**", "other.txt", dags="\n      ids:\n        - sales\n        - latecomer\n     ")
    assert pushed.made("whole", {PLACE: wider, "other.txt": "unheard"}) == (0, set())
    assert "line 5: there is no Dag 'latecomer'" in str(pushed.fault("whole"))
    assert pushed.made("whole", {"dbt/project.yml": "heard"}) == (1, {"sales"})
    parses, made = pushed.made("whole", {"dags/late.py": dag("latecomer")})
    assert made == {"sales", "latecomer"} and parses == 3, "the new file again, under the new rules"
    assert pushed.fault("whole") is None
    assert pushed.made("whole", {"other.txt": "heard"})[1] == {"sales", "latecomer"}
    assert pushed.made("whole", {"dags/late.py": None}) == (0, set())
    assert "there is no Dag 'latecomer'" in str(pushed.fault("whole")), "it is gone"
    assert pushed.made("whole", {"other.txt": "still"})[1] == {"sales"}, "these rules stay in force"
    pushed.push("whole", {PLACE: rules("dbt/**")})
    assert pushed.fault("whole") is None


def test_a_broken_file_is_parsed_again_when_anything_declared_changes(pushed: Pushed) -> None:
    pushed.push("whole", {PLACE: rules("dbt/**"), "dags/alone.py": "raise RuntimeError('no airflow dag')"})
    parses, _ = pushed.made("whole", {"dbt/project.yml": "perhaps"})
    assert parses == 2, "that of the Dag it is declared for, and the broken one, whose Dags nobody knows"


@pytest.mark.acceptance("pushes", 26)
def test_hostile_files_hold_up_nothing(pushed: Pushed) -> None:
    """What is in such a file is a matter of ``tests/unit/test_pinwheel_yaml.py``."""
    for data in (b"a: &a [x]\nb: &b [*a, *a]\n" * 50, b"[" * 200_000, b"#" + b"x" * 1_000_000):
        pushed.push("whole", {PLACE: data})
        assert "Cannot use pinwheel.yaml: line " in str(pushed.fault("whole"))
    path = pushed.repos["whole"].work / PLACE
    path.unlink()
    path.symlink_to("/etc/hostname")
    link = pushed.push("whole", {"README.md": "a link that leaves"})
    assert pushed.loop.manager.heads["whole"].declared == NOTHING, "the version has no such file"
    path.unlink()
    pushed.push("whole", {f"{PLACE}/x": "a folder"})
    assert "it is no file of the repository" in str(pushed.fault("whole"))
    (path / "x").unlink()
    path.rmdir()
    pushed.push("whole", {"pinwheel.yml": rules("dbt/**")})
    assert "Name it pinwheel.yaml" in str(pushed.fault("whole"))
    right: dict[str, str | bytes | None] = {PLACE: rules("dbt/m*/**"), "dbt/models/m.sql": "after all"}
    assert pushed.made("whole", {"pinwheel.yml": None, **right})[1] == {"sales"}
    assert pushed.fault("whole") is None and link != pushed.loop.head("whole")


BOTH = ["pinwheel.yaml", "pinwheel.yml"]


def policy(name: str, *steps: str) -> str:
    return f"policies:\n  - {{name: {name}, dags: all, steps: [{', '.join(steps)}]}}\n"


def revisions(pushed: Pushed, bundle: str) -> list[tuple[str, int, str]]:
    found = pushed.loop.rows(
        "SELECT name, revision, bundle_version FROM pinwheel_policy"
        " WHERE source = 'repository' AND document = :b AND retired_at IS NULL ORDER BY position",
        b=bundle,
    )
    return [(row["name"], row["revision"], row["bundle_version"]) for row in found]


@pytest.mark.acceptance("rollouts", 6)
def test_a_broken_file_leaves_the_former_policies_in_force_and_is_shown(pushed: Pushed) -> None:
    gated = policy("gated", "{approve: {}}", "release")
    first = pushed.push("whole", {PLACE: rules("dbt/**") + gated})
    assert revisions(pushed, "whole") == [("gated", 1, first)]
    pushed.push("whole", {PLACE: rules("dbt/**") + policy("gated", "{aprove: {}}", "release")})
    assert revisions(pushed, "whole") == [("gated", 1, first)]
    told = pushed.fault("whole")
    assert told is not None and "line 5" in told and "'aprove' is no key" in told
    assert "so do the policies of before (gated)" in told
    assert pushed.events("whole")[-1] == told
    unknown = rules("dbt/**", dags="{ids: [nobody]}")
    second = pushed.push("whole", {PLACE: unknown + policy("gated", "{approve: {count: 2}}", "release")})
    assert revisions(pushed, "whole") == [("gated", 2, second)], "only its inputs wait for a Dag"
    told = pushed.fault("whole")
    assert told is not None and "there is no Dag 'nobody'" in told and "policies" not in told
    pushed.push("whole", {PLACE: None})
    assert (revisions(pushed, "whole"), pushed.fault("whole")) == ([], None)


def test_each_bundle_has_the_policies_of_its_own_file(pushed: Pushed) -> None:
    version = pushed.push("part", {"airflow/other.sql": "four", PLACE: policy("theirs", "release")})
    assert revisions(pushed, "part") == [("theirs", 1, version)]
    assert revisions(pushed, "whole") == []


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("target", [*BOTH, "x" * 300, "x/" * 2000, "gone", "/etc/hosts"])
def test_a_link_that_leads_nowhere_is_told_and_stops_no_version(
    tmp_path: Path, name: str, target: str
) -> None:
    try:
        (tmp_path / name).symlink_to(target)
    except OSError:
        pytest.skip("no link can hold it")
    (wrong,) = _read(tmp_path).wrong
    assert "no file of the repository" in wrong.found or "has the name" in wrong.found
