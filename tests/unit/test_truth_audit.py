"""When the audit takes a version row for true that names another version than the one that ran."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from harness import truth

ROW = str(uuid4())


class Tables:
    def __init__(self, seqs: dict[str, int], last_seq: int | None) -> None:
        self.seqs, self.last_seq = seqs, last_seq

    def rows(self, query: str) -> list[dict[str, Any]]:
        if "pinwheel_release" in query:
            return [{"dag_version_id": ROW, "id": 7, "dag_id": "d", "build": 1, "bundle_name": "git"}]
        if "pinwheel_bundle_version" in query:
            return [{"bundle_name": "git", "version": v, "seq": seq} for v, seq in self.seqs.items()]
        return [{"build_id": 7, "bundle_name": "git", "first_seq": 1, "last_seq": self.last_seq}]


def git(at: Path, *args: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    return subprocess.run(["git", *who, *args], cwd=at, check=True, capture_output=True, text=True).stdout


def two_versions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, second: str
) -> tuple[str, truth.Printed]:
    """The version that a row names, in git, and a try of the version after it, in its directory."""
    work = tmp_path / "work"
    work.mkdir()
    git(work, "init", "-q")
    (work / "d.py").write_text("first")
    git(work, "add", "d.py")
    git(work, "commit", "-qm", "first")
    said = git(work, "rev-parse", "HEAD").strip()
    git(tmp_path, "clone", "-q", "--bare", str(work), str(tmp_path / "mirror.git"))
    ran = "b" * 40
    file = tmp_path / "versions" / ran / "d.py"
    file.parent.mkdir(parents=True)
    file.write_text(second)
    monkeypatch.setattr(truth, "_files_of", lambda dag_id, number: ["d.py"])
    return said, truth.Printed("d", "run", "a", -1, 1, {}, file, ran)


def difference(said: str, ran: truth.Printed, *, last_seq: int | None, row: str = ROW) -> str | None:
    tables: Any = Tables({said: 1, ran.sha: 2}, last_seq)
    return truth._Places(tables).difference(row, said, ran)


def test_a_row_is_true_where_its_build_stood_in_what_ran_and_its_files_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said, ran = two_versions(tmp_path, monkeypatch, second="first")
    assert difference(said, ran, last_seq=None) is None
    assert difference(said, ran, last_seq=2) is None


def test_a_row_is_wrong_where_its_build_did_not_stand_in_what_ran(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said, ran = two_versions(tmp_path, monkeypatch, second="first")
    assert difference(said, ran, last_seq=1) == "build 1 did not stand in what ran"


def test_a_row_is_wrong_where_a_file_of_its_build_differs_in_what_ran(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said, ran = two_versions(tmp_path, monkeypatch, second="second")
    assert difference(said, ran, last_seq=None) == "other content of ['d.py']"


def test_a_row_that_no_release_has_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said, ran = two_versions(tmp_path, monkeypatch, second="first")
    assert difference(said, ran, last_seq=None, row=str(uuid4())) == "no release has this row"
