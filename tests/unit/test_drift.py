"""What a drift says, and whether it is one of the released version or of the Dag's row."""

from __future__ import annotations

from uuid import UUID

import pytest

from pinwheel.core.release.drift import Drift

FOREIGN = (UUID(int=1), UUID(int=2))


@pytest.mark.parametrize(
    ("drift", "of_version"),
    [
        pytest.param(Drift(dag_id="d"), False, id="nothing differs"),
        pytest.param(Drift(dag_id="d", found={"dag.fileloc": "x"}), False, id="the Dag's row only"),
        pytest.param(Drift(dag_id="d", found={"dag_code.source_code_hash": "x"}), True, id="another table"),
        pytest.param(Drift(dag_id="d", found={"dag.fileloc": "x", "dag_version.n": 2}), True, id="both"),
        pytest.param(
            Drift(dag_id="d", found={"dag_version.n": 2}, version_missing=True), False, id="no such version"
        ),
        pytest.param(Drift(dag_id="d", found={"dag_version.n": 2}, dag_missing=True), False, id="no Dag"),
    ],
)
def test_a_drift_is_of_the_version_where_that_stands_and_says_something_else(
    drift: Drift, of_version: bool
) -> None:
    assert drift.of_version is of_version


def test_a_drift_of_which_nothing_is_said_has_nothing_missing() -> None:
    drift = Drift(dag_id="d")
    assert not drift.version_missing and not drift.dag_missing
    assert drift.summary == ""


def test_of_a_deleted_dag_nothing_else_is_told() -> None:
    drift = Drift(dag_id="d", dag_missing=True, version_missing=True, found={"dag.fileloc": "x"})
    assert drift.summary == "the dag row was deleted"


def test_all_that_was_found_is_told_in_one_order() -> None:
    drift = Drift(
        dag_id="d",
        version_missing=True,
        foreign_versions=FOREIGN,
        found={"dag_version.b": 2, "dag.a": "x"},
    )
    assert drift.summary == (
        "its dag_version was deleted; 2 newer dag_version written by somebody else; "
        "dag.a is 'x'; dag_version.b is 2"
    )
