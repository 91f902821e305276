"""What goes wrong with a file of an unversioned bundle is shown of that file, and told once.

The real loop, in this process, over one of Airflow's own LocalDagBundles with one bad file of each kind.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from harness import bundles, dags
from harness.loop import Loop, own_loop

pytestmark = pytest.mark.postgres

DAG = "from airflow.sdk import DAG\n"
TOO_LONG = "n" * 252 + ".py"
BAD = {
    TOO_LONG: (f"{DAG}# dag\n", "could not be started"),
    "nul.py": (
        f"{DAG}with DAG('nul', doc_md='secret\\x00b', schedule=None):\n    pass\n",
        "the database said",
    ),
    "raises.py": (f"{DAG}raise RuntimeError('a\\x00b')\n", "RuntimeError: a␀b"),
    "ends.py": (f"{DAG}import os\nos._exit(3)\n", "without a result"),
}


@pytest.fixture(scope="module")
def loop(postgres: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loop]:
    root = tmp_path_factory.mktemp("unversioned")
    folder = root / "dags"
    folder.mkdir()
    dags.write(folder, {**dags.dag("good"), **{name: text for name, (text, _) in BAD.items()}})
    with open(os.fsencode(folder) + b"/caf\xe9.py", "w") as file:
        file.write(DAG)
    with own_loop(
        postgres,
        root,
        bundles.local("local", folder, refresh_interval=0),
    ) as loop:
        loop.folder = folder  # type: ignore[attr-defined]
        yield loop


def test_each_bad_file_of_an_unversioned_bundle_is_an_import_error_and_nothing_floods_the_events(
    loop: Loop,
) -> None:
    loop.turn_until(lambda: loop.import_errors("local").keys() >= BAD.keys(), what="the import errors")
    parses = {str(info.rel_path): stat.run_count for info, stat in loop.manager._file_stats.items()}
    loop.turn_until(
        lambda: all(
            stat.run_count >= parses.get(str(info.rel_path), 0) + 2
            for info, stat in loop.manager._file_stats.items()
        ),
        turns=120,
        what="that each file is parsed twice more",
    )
    errors = loop.import_errors("local")
    assert [name for name, (_, words) in BAD.items() if words not in errors[name]] == []
    assert "good.py" not in errors
    (told,) = loop.events("fault")
    assert "caf\\udce9.py" in told["reason"], (
        "only the name that no parser can be given is the bundle's fault"
    )
    assert loop.faults() == {("local", "list files"): told["reason"]}
    assert not any("secret" in text for text in errors.values())


def test_a_file_of_an_unversioned_bundle_that_is_mended_has_no_import_error_any_more(loop: Loop) -> None:
    folder = loop.folder  # type: ignore[attr-defined]
    for name in BAD.keys() - {TOO_LONG}:
        (folder / name).write_text(f"{DAG}# dag\n")
    (folder / TOO_LONG).unlink()
    os.unlink(os.fsencode(folder) + b"/caf\xe9.py")
    loop.turn_until(
        lambda: loop.import_errors("local") == {} == loop.faults(), what="that nothing is left of it"
    )
