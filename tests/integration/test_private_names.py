"""Each private name of Airflow that Pinwheel uses is there, with the parameters that Pinwheel passes."""

from __future__ import annotations

import importlib
import inspect

import attrs
import pytest

from pinwheel.airflow3.compat import airflow_version
from pinwheel.airflow3.private_names import PRIVATE_NAMES


@pytest.mark.parametrize(
    ("module", "name", "why"), PRIVATE_NAMES, ids=[f"{m}:{n}" for m, n, _ in PRIVATE_NAMES]
)
def test_a_private_name_is_still_there(module: str, name: str, why: str) -> None:
    path, _, parameters = name.partition("(")
    message = f"Airflow {airflow_version()}: {module}.{path} changed. It is used here: {why}"
    try:
        found = importlib.import_module(module)
    except ImportError:
        pytest.fail(f"{message}. The module is gone.")
    for part in path.split("."):
        if attrs.has(found) and part in attrs.fields_dict(found):
            found = attrs.fields_dict(found)[part]
        elif hasattr(found, part):
            found = getattr(found, part)
        else:
            pytest.fail(f"{message}. {part} is gone.")
    if parameters:
        expected = [p.strip() for p in parameters.rstrip(")").split(",") if p.strip()]
        actual = list(inspect.signature(found).parameters)
        assert actual == expected, f"{message}. Its parameters are now {actual}."
