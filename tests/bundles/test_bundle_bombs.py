"""Few bytes in a repository that stand for very much: each is refused or left out soon, in little memory."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path

import pytest

pytest.importorskip("airflow")

from harness.bundle_fixtures import Repository
from harness.bundle_fixtures import repo as repo
from harness.bundle_fixtures import storage as storage
from pinwheel.airflow3.bundles import git, tree
from pinwheel.airflow3.bundles.git import GitBundle
from pinwheel.airflow3.bundles.git_command import GitFailed
from pinwheel.core.errors import RefusedVersion


def bundle(repo: Repository, **arguments: object) -> GitBundle:
    return GitBundle(name="code", tracking_ref="main", repo_url=str(repo.path), **arguments)


def blob(repo: Repository, content: bytes) -> str:
    return repo.git("hash-object", "-w", "--stdin", stdin=content)


def tree_of(repo: Repository, *entries: tuple[str, str, str]) -> str:
    """A tree of (mode, id, name)."""
    kinds = {"040000": "tree", "160000": "commit"}
    lines = [f"{mode} {kinds.get(mode, 'blob')} {oid}\t{name}\n" for mode, oid, name in entries]
    return repo.git("mktree", "--missing", stdin="".join(lines).encode())


def push(repo: Repository, made: str) -> str:
    sha = repo.git("commit-tree", made, "-m", "A bomb")
    repo.git("update-ref", "refs/heads/main", sha)
    return sha


def bomb(repo: Repository, *, levels: int, name: str) -> str:
    """Ten folders with ten folders each, and so on: a few hundred bytes for 10 ** *levels* files."""
    made = tree_of(repo, *(("100644", blob(repo, b""), f"f{number}") for number in range(10)))
    for _ in range(levels - 1):
        made = tree_of(repo, *(("040000", made, f"{name}{number}") for number in range(10)))
    return made


@pytest.mark.parametrize(
    ("name", "sparse_dirs", "reason"),
    [
        ("d", None, r"at most 20,000 are taken|at most 20,000 files are taken"),
        ("d" * 200, None, "the list of its files is too long"),
        ("d", ["elsewhere"], "the list of its files is too long"),
    ],
    ids=["many", "long", "sparse"],
)
def test_a_tree_that_holds_itself_ten_times_in_ten_is_refused_before_it_is_listed(
    storage: Path,
    repo: Repository,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    sparse_dirs: list[str] | None,
    reason: str,
) -> None:
    monkeypatch.setenv("AIRFLOW__PINWHEEL__BUNDLE_MAX_FILES", "20000")
    made = bundle(repo, sparse_dirs=sparse_dirs)
    made.initialize()
    good = made.path
    sha = push(repo, bomb(repo, levels=11, name=name))
    tracemalloc.start()
    try:
        with pytest.raises(RefusedVersion, match=reason) as caught:
            made.refresh()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert caught.value.version == sha and "bundle_max_files" in caught.value.remedy
    assert peak < 60_000_000 and made.path == good


def test_of_very_many_links_that_lead_a_long_way_each_is_left_out_soon(
    storage: Path, repo: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    real = tree.why_unusable
    monkeypatch.setattr(tree, "why_unusable", lambda at, links: (asked.append(at), real(at, links))[1])
    far = blob(repo, b"x/" * 2000)
    links = [("120000", far, f"l{number}") for number in range(2000)]
    push(repo, tree_of(repo, *links, ("120000", blob(repo, b"a.py"), "near"), ("100644", far, "a.py")))
    made = bundle(repo)
    made.initialize()
    assert sorted(os.listdir(made.path)) == ["a.py", "near"]
    assert "too many folders" in made.left_out(made.get_current_version().version)[0].reason
    assert len(asked) == 2, "of links that are alike one is followed"


def test_submodules_that_hold_submodules_many_times_over_are_looked_into_once_each(
    storage: Path, repo: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []
    real = git.submodule_urls
    monkeypatch.setattr(git, "submodule_urls", lambda at, sha: (looked.append(sha), real(at, sha))[1])
    monkeypatch.setenv("AIRFLOW__PINWHEEL__BUNDLE_MAX_FILES", "5000")
    where = "".join(f'[submodule "m{n}"]\npath = m{n}\nurl = {repo.path}\n' for n in range(10))
    modules = ("100644", blob(repo, where.encode()), ".gitmodules")
    inner = repo.git("rev-parse", "HEAD")
    commits = []
    for level in range(9):
        inner = push(repo, tree_of(repo, modules, *(("160000", inner, f"m{n}") for n in range(10))))
        commits.append(inner)
        repo.git("branch", f"level{level}", inner)
    made = bundle(repo, submodules=True)
    with pytest.raises(RefusedVersion, match="at most 5,000 are taken") as caught:
        made.initialize()
    assert caught.value.version == inner and len(looked) == 10


def test_a_submodule_whose_address_nobody_can_use_is_refused_and_one_out_of_reach_is_named(
    storage: Path, repo: Repository
) -> None:
    made = bundle(repo, submodules=True)
    made.initialize()
    pinned = repo.git("rev-parse", "HEAD")

    def point_to(url: str) -> str:
        where = blob(repo, f'[submodule "m"]\npath = m\nurl = "{url}"\n'.encode())
        return push(repo, tree_of(repo, ("100644", where, ".gitmodules"), ("160000", pinned, "m")))

    sha = point_to(r"https://s3cr3tT0k@127.0.0.1:1/a\tb")
    with pytest.raises(RefusedVersion, match="control character") as refused:
        made.refresh()
    assert refused.value.version == sha and "s3cr3tT0k" not in str(refused.value)
    point_to("https://s3cr3tT0k@127.0.0.1:1/x.git?token=s3cr3tT0k")
    with pytest.raises(
        GitFailed, match=r"the submodule 'm' of bundle 'code' \(https://127\.0\.0\.1"
    ) as failed:
        made.refresh()
    assert "s3cr3tT0k" not in str(failed.value) and "Failed to connect" in str(failed.value)
