"""Who changed what between two versions of a git bundle, as its commits say it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("airflow")

from harness.bundle_fixtures import Repository
from harness.bundle_fixtures import repo as repo
from harness.bundle_fixtures import storage as storage
from pinwheel.airflow3.bundles import contributors
from pinwheel.airflow3.bundles.folder import FolderBundle
from pinwheel.airflow3.bundles.git import GitBundle
from pinwheel.airflow3.bundles.git_command import Git, GitFailed

ADA = [["author", "Ada <ada@example.com>"], ["committer", "Ada <ada@example.com>"]]
BOB = "Bob <bob@example.com>"


def bundle(repo: Repository, **kwargs: Any) -> GitBundle:
    return GitBundle(name="code", tracking_ref="main", repo_url=str(repo.path), **kwargs)


def between(repo: Repository, before: str, after: str, **kwargs: Any) -> Any:
    """What is known, ordered by the paths."""
    made = bundle(repo, **kwargs)
    made.refresh()
    found = made.contributors(before, after)
    return (
        None
        if found is None
        else sorted(found, key=lambda commit: (sorted(commit["paths"]), commit["people"]))
    )


def by_bob(repo: Repository, files: dict[str, str | bytes | None], message: str = "Bob's") -> str:
    repo.write(files)
    repo.git("add", "-A", "--force")
    repo.git("commit", "-q", f"--author={BOB}", "-m", message)
    return head(repo)


def head(repo: Repository) -> str:
    return str(repo.git("rev-parse", "HEAD"))


def commit(people: list[list[str]], *paths: str) -> dict[str, Any]:
    return {"people": people, "paths": list(paths)}


AUTHOR_BOB = [["author", BOB], ["committer", "Ada <ada@example.com>"]]


def test_every_commit_in_between_says_who_changed_what(storage: Path, repo: Repository) -> None:
    before = head(repo)
    repo.commit({"a.py": "1", "b.py": "1"})
    after = by_bob(repo, {"c.py": "1"})
    assert between(repo, before, after) == [commit(ADA, "a.py", "b.py"), commit(AUTHOR_BOB, "c.py")]
    assert between(repo, after, after) == []


def test_a_squash_names_its_co_authors(storage: Path, repo: Repository) -> None:
    before = head(repo)
    said = "Squash\n\nco-authored-by: Carol\n <carol@example.com>\nCo-authored-by: Dan <dan@example.com>\n"
    after = by_bob(repo, {"c.py": "1"}, said)
    more = [["author", "Carol <carol@example.com>"], ["author", "Dan <dan@example.com>"]]
    assert between(repo, before, after) == [commit([*AUTHOR_BOB, *more], "c.py")]


def test_a_rename_changes_both_paths(storage: Path, repo: Repository) -> None:
    before = repo.commit({"old.py": "the same text\n" * 20})
    after = repo.commit({"old.py": None, "new.py": "the same text\n" * 20})
    assert between(repo, before, after) == [commit(ADA, "new.py", "old.py")]


def merged(repo: Repository, *how: str, then: dict[str, str | bytes | None] | None = None) -> tuple[str, str]:
    """Bob's branch, merged by Ada into main, where she changed something else; before and after."""
    repo.commit({"a.py": "1\n", "b.py": "1\n"})
    repo.git("switch", "-q", "-c", "side")
    by_bob(repo, {"a.py": "2\n"})
    repo.git("switch", "-q", "main")
    before = repo.commit({"b.py": "2\n"})
    repo.git("merge", "-q", "--no-ff", "--no-commit", *how, "side")
    repo.write(then or {})
    repo.git("add", "-A")
    repo.git("commit", "-q", "-m", "Merge")
    return before, head(repo)


def test_who_merges_has_no_part_in_what_is_merged(storage: Path, repo: Repository) -> None:
    assert between(repo, *merged(repo)) == [commit(AUTHOR_BOB, "a.py")]


def test_who_changes_something_in_a_merge_has_a_part_in_that(storage: Path, repo: Repository) -> None:
    found = between(repo, *merged(repo, then={"b.py": "3\n"}))
    assert found == [commit(AUTHOR_BOB, "a.py"), commit(ADA, "b.py")]


def test_who_merges_without_a_change_has_taken_it_back(storage: Path, repo: Repository) -> None:
    found = between(repo, *merged(repo, "-s", "ours"))
    assert found == [commit(ADA, "a.py"), commit(AUTHOR_BOB, "a.py")]


def test_of_a_merge_of_three_nobody_knows_who_changed_what(storage: Path, repo: Repository) -> None:
    before = head(repo)
    for name in ("one", "two"):
        repo.git("switch", "-q", "-c", name, before)
        repo.commit({f"{name}.py": "1"})
    repo.git("switch", "-q", "main")
    repo.commit({"three.py": "1"})
    repo.git("merge", "-q", "-m", "Merge", "one", "two")
    assert between(repo, before, head(repo)) is None


def test_nobody_known_takes_back_what_a_force_push_drops(storage: Path, repo: Repository) -> None:
    base = head(repo)
    before = by_bob(repo, {"b.py": "1"})
    made = bundle(repo)
    made.refresh()
    repo.git("reset", "-q", "--hard", base)
    after = repo.commit({"c.py": "1"})
    assert between(repo, before, after) == [commit([], "b.py"), commit(ADA, "c.py")]
    assert between(repo, before, base) == [commit([], "b.py")]


def test_without_a_common_commit_nothing_is_known(storage: Path, repo: Repository) -> None:
    before = head(repo)
    bundle(repo).refresh()
    repo.git("switch", "-q", "--orphan", "other")
    repo.commit({"a.py": "1"})
    repo.git("branch", "-q", "-M", "other", "main")
    assert between(repo, before, head(repo)) is None


def test_of_a_version_that_is_not_here_nothing_is_known(storage: Path, repo: Repository) -> None:
    assert between(repo, "0" * 40, head(repo)) is None


def test_of_a_shallow_source_nothing_is_known_that_is_cut_off(
    storage: Path, repo: Repository, tmp_path: Path
) -> None:
    shas = [repo.commit({"a.py": str(number)}) for number in range(4)]
    clone = Repository.__new__(Repository)
    clone.path = tmp_path / "shallow"
    command = ["git", "clone", "-q", "--depth=2", f"file://{repo.path}", str(clone.path)]
    subprocess.run(command, check=True)
    assert between(clone, shas[0], shas[3]) is None
    assert between(clone, shas[2], shas[3]) == [commit(ADA, "a.py")]


def test_a_side_branch_that_is_cut_off_is_not_taken_for_all_of_it(
    storage: Path, repo: Repository, tmp_path: Path
) -> None:
    before = head(repo)
    repo.git("switch", "-q", "-c", "side")
    by_bob(repo, {"a.py": "1"})
    repo.commit({"a.py": "2"})
    repo.git("switch", "-q", "main")
    repo.git("merge", "-q", "--no-ff", "-m", "Merge", "side")
    clone = Repository.__new__(Repository)
    clone.path = tmp_path / "shallow"
    command = ["git", "clone", "-q", "--depth=2", f"file://{repo.path}", str(clone.path)]
    subprocess.run(command, check=True)
    assert between(clone, before, head(repo)) is None


def test_paths_are_those_of_the_bundle(storage: Path, repo: Repository) -> None:
    before = repo.commit({"dags/a.py": "1"})
    after = repo.commit({"dags/a.py": "2", "lib/x.py": "1", "pinwheel.yaml": "", "dags/pinwheel.yaml": ""})
    (found,) = between(repo, before, after, subdir="dags")
    assert sorted(found["paths"]) == ["//lib/x.py", "//pinwheel.yaml", "a.py", "pinwheel.yaml"]


def test_names_and_paths_are_taken_as_they_are(storage: Path, repo: Repository) -> None:
    before = head(repo)
    names = ["\nline\n.py", "a\tb\\\"'.py", "caf\udce9.py", "x" * 200 + ".py", " %x00 .py", "é.py"]
    repo.write(dict.fromkeys(names, "1"))
    repo.git("add", "-A", "--force")
    tree = repo.git("write-tree")
    who = b"Eve \xff %x00 'c>' <eve@example.com> 1700000000 +0000\n"
    raw = b"tree " + tree.encode() + b"\nparent " + before.encode() + b"\nauthor " + who
    raw += b"committer " + b"N" * 600 + b" <> 1700000000 +0000\n\nx\n\nCo-authored-by: \xfe\0<y>\n"
    sha = repo.git("hash-object", "-t", "commit", "-w", "--stdin", "--literally", stdin=raw)
    (repo.path / ".git/refs/heads/main").write_text(f"{sha}\n")
    (found,) = between(repo, before, sha)
    assert sorted(found["paths"]) == sorted(
        ["\nline\n.py", "a\tb\\\"'.py", "caf�.py", "x" * 200 + ".py", " %x00 .py", "é.py"]
    )
    said = dict(map(tuple, found["people"]))
    assert said["committer"].startswith("NNN") and len(said["committer"]) == 500
    assert all(text.encode().decode() == text and "\0" not in text for _, text in found["people"])
    assert found["people"][0][1].startswith("Eve �")


@pytest.mark.parametrize("paths, known", [(5_000, True), (5_001, False)])
def test_what_is_too_much_is_not_looked_through(
    storage: Path, repo: Repository, paths: int, known: bool
) -> None:
    before = head(repo)
    after = repo.commit({f"many/{number}": "" for number in range(paths)})
    found = between(repo, before, after)
    assert (found is not None) is known
    assert not known or len(found[0]["paths"]) == paths == contributors.MOST_PATHS


@pytest.mark.parametrize("commits, known", [(500, True), (501, False)])
def test_of_too_many_commits_nothing_is_known(
    storage: Path, repo: Repository, commits: int, known: bool
) -> None:
    before = head(repo)
    stream = b"".join(
        b"commit refs/heads/main\ncommitter Ada <ada@example.com> 1700000000 +0000\ndata 0\n"
        + (b"from " + before.encode() + b"\n" if number == 0 else b"")
        + b"M 644 inline n\ndata %d\n%d\n" % (len(str(number)), number)
        for number in range(commits)
    )
    repo.git("fast-import", "--quiet", "--force", stdin=stream)
    found = between(repo, before, repo.git("rev-parse", "main"))
    assert (found is not None) is known
    assert not known or len(found) == commits == contributors.MOST_COMMITS


def test_of_a_folder_nobody_knows_who_changed_it(storage: Path, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.py").write_text("1")
    made = FolderBundle(name="folder", path=str(folder))
    made.refresh()
    before = made.get_current_version().version
    (folder / "a.py").write_text("2")
    made.refresh()
    assert made.contributors(before, made.get_current_version().version) is None


def test_a_git_that_does_not_end_is_ended(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    pieces = Git(tmp_path).pieces("hash-object", str(tmp_path / "pipe"), seconds=0.2)
    with pytest.raises(GitFailed, match="git hash-object failed"):
        list(pieces)
