"""Under which bundle, version and path a build is released, and what its rows hold then."""

from __future__ import annotations

import pytest

from harness.builds import build
from pinwheel.core.digest import PATH_PLACEHOLDER
from pinwheel.core.release.rows import Location, Projection, location_of, serialized_for

SHA = "ab" * 20
OWN = Location(bundle_name="dags", bundle_version=SHA, relative_fileloc="sales.py")


@pytest.mark.parametrize("bundle", [None, "dags"])
@pytest.mark.parametrize("path", [None, "sales.py"])
def test_a_build_that_lies_where_earlier_runs_know_it_has_its_own_location(
    bundle: str | None, path: str | None
) -> None:
    assert location_of(build(1, bundle_version=SHA), stable_bundle=bundle, stable_fileloc=path) == OWN


@pytest.mark.parametrize(
    ("bundle", "path", "alias"),
    [
        pytest.param(None, "old.py", "old.py=sales.py", id="another path"),
        pytest.param("dags", "in/old.py", "in:old.py=sales.py", id="another folder"),
        pytest.param("first", None, "sales.py=@dags!sales.py", id="another bundle"),
        pytest.param("first", "old.py", "old.py=@dags!sales.py", id="both"),
    ],
)
def test_a_build_whose_file_was_moved_keeps_what_earlier_runs_know_and_an_alias_says_where_it_lies(
    bundle: str | None, path: str | None, alias: str
) -> None:
    moved = location_of(build(1, bundle_version=SHA), stable_bundle=bundle, stable_fileloc=path)
    assert moved == Location(
        bundle_name=bundle or "dags", bundle_version=f"{SHA}+{alias}", relative_fileloc=path or "sales.py"
    )


def test_a_build_without_versions_or_of_a_foreign_bundle_is_released_where_it_lies() -> None:
    unversioned = build(1, bundle_version=SHA, versioned=False)
    assert location_of(unversioned, stable_bundle="first", stable_fileloc="old.py") == OWN
    foreign = build(1, bundle_version="release-7")
    assert location_of(foreign, stable_bundle=None, stable_fileloc="old.py") == Location(
        bundle_name="dags", bundle_version="release-7", relative_fileloc="sales.py"
    )
    too_long = location_of(build(1, bundle_version=SHA), stable_bundle=None, stable_fileloc="x" * 200)
    assert too_long == OWN


def test_what_a_dag_holds_is_in_no_line_of_a_log() -> None:
    projection = Projection(
        dag_id="sales",
        release=1,
        kind=None,
        build=build(1),
        location=OWN,
        serialized={"dag": "a secret of the Dag"},
        source_code="a secret of the file",
    )
    assert "secret" not in repr(projection)


def test_the_rows_hold_the_paths_of_this_machine_and_the_path_that_earlier_runs_know() -> None:
    stored = {"dag": {"fileloc": f"{PATH_PLACEHOLDER}/sales.py", "relative_fileloc": "sales.py"}, "v": 3}
    here = serialized_for(build(1), stored, OWN, "/bundles/1")
    assert here == {"dag": {"fileloc": "/bundles/1/sales.py", "relative_fileloc": "sales.py"}, "v": 3}
    assert serialized_for(build(1), stored, OWN, None) == stored, "nobody knows where the version lies"
    moved = Location(bundle_name="dags", bundle_version=SHA, relative_fileloc="old.py")
    assert serialized_for(build(1), stored, moved, None) == {
        "dag": {"fileloc": f"{PATH_PLACEHOLDER}/sales.py", "relative_fileloc": "old.py"},
        "v": 3,
    }
    assert stored["dag"]["relative_fileloc"] == "sales.py", "what is stored stays as it is"
