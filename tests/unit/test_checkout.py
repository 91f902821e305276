"""No test writes into the checkout: `make test` says so when one did, `make test-all` fails."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from harness.gitrepo import GitRepo

SCRIPT = Path(__file__).parents[2] / "scripts/test.py"


@pytest.fixture(scope="module")
def script() -> Any:
    spec = importlib.util.spec_from_file_location("scripts_test", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_what_was_added_changed_or_taken_away_is_named(script: Any, git_repo: GitRepo) -> None:
    git_repo.commit({"a.py": "1", "b.py": "1", ".gitignore": "cache/\n"})
    root = git_repo.work
    (root / "mine.txt").write_text("of before")
    before = script.checkout(root)
    (root / "cache").mkdir()
    (root / "cache/made").write_text("may be")
    assert script.written(root, before) == ""

    (root / "a.py").write_text("2")
    (root / "b.py").unlink()
    (root / "tests").mkdir()
    (root / "tests/left.py").write_text("new")
    (root / "mine.txt").unlink()
    lines = script.written(root, before).splitlines()[1:]
    assert lines == ["   D b.py", "   M a.py", "  ?? mine.txt", "  ?? tests/left.py"]


def test_outside_of_a_checkout_nothing_is_said(script: Any, tmp_path: Path) -> None:
    before = script.checkout(tmp_path)
    (tmp_path / "new.py").write_text("new")
    assert before is None and script.written(tmp_path, before) == ""
