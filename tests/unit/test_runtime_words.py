"""How it is said that a build was parsed with other packages than are here."""

from __future__ import annotations

import pytest

from pinwheel.core.runtime import differing, parsed_elsewhere

THEN = {
    "python": "3.11.9",
    "airflow": "3.3.2",
    "distributions": "d",
    "packages": ["a==1", "pandas==1.1.5", "x==1"],
}
HERE = {**THEN, "distributions": "e", "packages": ["a==1", "pandas==2.2.3", "y==2"]}


def test_each_difference_is_told_python_and_airflow_first() -> None:
    assert differing(THEN, THEN) == ()
    assert differing(THEN, {**HERE, "python": "3.12.1"}) == (
        "Python 3.11.9, here 3.12.1",
        "pandas 1.1.5, here 2.2.3",
        "x 1, here not installed",
        "y was not there, here 2",
    )


@pytest.mark.parametrize("lacking", [{}, {"python": "3.11.9"}, {"packages": None}])
def test_of_what_nobody_noted_no_difference_is_told(lacking: dict[str, object]) -> None:
    assert differing(lacking, HERE) == differing(THEN, lacking) == ()  # type: ignore[arg-type]


def test_some_are_named_and_the_others_counted() -> None:
    said = (
        "build 3 was parsed in another runtime (Python, Airflow or installed packages) than there is here now"
    )
    end = "ackages are not part of a bundle version"
    assert parsed_elsewhere("build 3", None, HERE) == f"{said}; p{end}"
    assert parsed_elsewhere("build 3", THEN, {**THEN, "packages": ["a==2", "pandas==1.1.5", "x==1"]}) == (
        f"{said}: a 1, here 2. P{end}"
    )
    assert parsed_elsewhere("build 3", THEN, {**HERE, "python": "3.12.1"}) == (
        f"{said}: Python 3.11.9, here 3.12.1; pandas 1.1.5, here 2.2.3; x 1, here not installed; and 1 more "
        f"packages differ. P{end}"
    )
