"""The documents name functions, files and rooms that are there, and walks that the code walks."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from harness.docs import ROOT, SOURCE, faults_of, lost_links, lost_names, lost_paths, named_in, rooms, walks
from pinwheel.airflow3.private_names import PRIVATE_NAMES
from pinwheel.services import change
from pinwheel.services.release.going import go

pytestmark = pytest.mark.airflow

PAGE = ROOT / "docs" / "architecture.md"
TEXT = PAGE.read_text()
PAGES = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
PATHS_MAY_BE_OF_THEIR_TIME = ("CHANGELOG.md", "docs/adr/")


def all_faults(text: str) -> list[str]:
    return [fault for walk in walks(text).values() for fault in faults_of(walk, page=PAGE)]


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def test_each_function_of_a_walk_is_there_and_calls_the_next() -> None:
    assert all_faults(TEXT) == []


def test_a_rollback_a_push_and_a_rollout_are_walked_from_their_surfaces_to_airflows_rows() -> None:
    walked = walks(TEXT)
    assert walked.keys() == {"A rollback, walked", "A push, walked", "A rollout, walked"}
    names = set(re.findall(r"`([\w/]+:[\w.]+)`", TEXT))
    ends = {
        "api/routes/changes:rollback_dag",
        "cli/rollback:run",
        "airflow/serialization/definitions/dag:SerializedDAG.bulk_write_to_db",
        "airflow3/processor/head:HeadView.refresh",
        "airflow3/rows/follow:follow",
        "airflow3/keeper/duties:_advance",
    }
    assert ends <= names


@pytest.mark.parametrize(
    ("there", "instead", "fault"),
    [
        (
            "`core/release/decide:decide`](../src/pinwheel/core/release/decide.py): steps",
            "`core/release/decide:decided`](../src/pinwheel/core/release/decide.py): steps",
            "core/release/decide:decided is not there",
        ),
        (
            "[`store/locking:lock_dags`](../src/pinwheel/store/locking.py)",
            "[`store/dags:lock`](../src/pinwheel/store/dags.py)",
            "services/change:apply does not call store/dags:lock",
        ),
        (
            "[`airflow3/rows/projection:project`](../src/pinwheel/airflow3/rows/projection.py)",
            "[`airflow3/rows/projection:restore`](../src/pinwheel/airflow3/rows/projection.py)",
            "services/ports/rows:Rows.project does not call airflow3/rows/projection:restore",
        ),
        (
            "[`services/ports/rows:Rows.observe`](../src/pinwheel/services/ports/rows.py)",
            "[`services/ports/rows:Rows.drifted`](../src/pinwheel/services/ports/rows.py)",
            "services/release/carry_out:_release_all does not call services/ports/rows:Rows.drifted",
        ),
        (
            "(../src/pinwheel/wiring.py)",
            "(../src/pinwheel/bundles.py)",
            "wiring:make_host is not in ../src/pinwheel/bundles.py",
        ),
        (
            "(../src/pinwheel/api/routes/changes.py): entrance",
            "(../src/pinwheel/api/routes/changes.py)",
            "api/routes/changes:rollback_dag is no entrance, and no step before leads to it",
        ),
    ],
    ids=[
        "no such function",
        "not called",
        "not the port's",
        "not asked of the port",
        "elsewhere",
        "unreached",
    ],
)
def test_a_walk_that_the_code_does_not_walk_is_told(there: str, instead: str, fault: str) -> None:
    assert there in TEXT
    assert fault in all_faults(TEXT.replace(there, instead, 1))


def test_a_function_that_no_longer_calls_the_next_is_told() -> None:
    source = inspect.getsource(change.apply)
    without = source.replace("outcomes = go(", "outcomes = list(")
    assert without != source
    assert go in named_in(source, vars(change))[0]
    assert go not in named_in(without, vars(change))[0]


def test_each_room_has_a_line_and_each_line_a_room() -> None:
    told = re.findall(r"^\| `([\w/]+/)` \|", TEXT, re.MULTILINE)
    assert sorted(told) == sorted(rooms(lambda room: "project" not in room.parts))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_what_a_page_links_to_is_there(page: Path) -> None:
    assert lost_links(page.read_text(), page=page) == []


@pytest.mark.parametrize(
    "page", [page for page in PAGES if not name_of(page).startswith(PATHS_MAY_BE_OF_THEIR_TIME)], ids=name_of
)
def test_the_files_that_a_page_names_are_there(page: Path) -> None:
    assert lost_paths(page.read_text()) == []


def test_a_lost_link_a_lost_path_and_a_new_one_that_is_there_are_told() -> None:
    text = "# A page\n[x](nowhere.md) [y](#a-page) [z](#another) [r](../README.md#more)\n"
    assert lost_links(text, page=PAGE) == ["nowhere.md", "#another"]
    text = (
        "`core/errors.py` `core/no.py`, new `core/text.py`, new `core/preview/`, `rows/drift.py` `test_no.py`"
    )
    assert lost_paths(text) == ["core/no.py", "core/text.py is there already", "rows/drift.py", "test_no.py"]
    assert lost_paths("`core/text.py`, `fit`; `core/text.py`, `unfit`") == ["unfit of core/text.py"]


def test_what_docstrings_refer_to_is_there() -> None:
    lost = {
        str(path.relative_to(SOURCE)): names
        for path in SOURCE.rglob("*.py")
        if (names := lost_names(path.read_text(), path.parent))
    }
    assert lost == {}


def test_a_docstring_that_refers_to_nothing_is_told() -> None:
    source = (
        "See :mod:`decide`, :class:`~pinwheel.core.release.state.DagState`, :func:`gone`, :mod:`pinwheel.no`"
    )
    assert lost_names(source, SOURCE / "core" / "release") == ["gone", "pinwheel.no"]


def test_each_private_name_of_airflow_is_used_in_the_file_that_is_said_to_use_it() -> None:
    unused = [
        (name, why)
        for _, name, why in PRIVATE_NAMES
        for file in [SOURCE / "airflow3" / why.partition(":")[0]]
        if name.partition("(")[0].rpartition(".")[2] not in file.read_text()
    ]
    assert unused == []
