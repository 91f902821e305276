"""Git as people use it: every spelling of a ref, shallow clones, servers that answer with something else."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("airflow")

from harness.bundle_fixtures import Repository
from harness.bundle_fixtures import repo as repo
from harness.bundle_fixtures import storage as storage
from integration.git_server import GitServer, git_server
from pinwheel.airflow3.bundles import git_command
from pinwheel.airflow3.bundles.git import GitBundle
from pinwheel.core.errors import HostError, InvalidInput


@pytest.fixture
def server(repo: Repository) -> Iterator[GitServer]:
    with git_server(repo.path.parent) as serving:
        yield serving


def bundle(repo: Repository | str, ref: str = "main", **more: Any) -> GitBundle:
    url = repo if isinstance(repo, str) else str(repo.path)
    return GitBundle(**{"name": "code", "tracking_ref": ref, "repo_url": url, **more})


def taken(made: GitBundle) -> str:
    made.refresh()
    return made.get_current_version().version


def why_not(made: GitBundle) -> str:
    with pytest.raises(HostError) as caught:
        made.refresh()
    assert caught.value.found and "version in use stays" in caught.value.remedy
    return caught.value.found


# -- what is tracked --------------------------------------------------------------------------------------


def test_a_ref_is_taken_in_every_spelling_that_the_providers_bundle_takes(
    storage: Path, repo: Repository
) -> None:
    first = repo.git("rev-parse", "HEAD")
    repo.git("tag", "-a", "v1", "-m", "one")
    described = repo.git("describe", "--long")
    second = repo.commit({"dags/a.py": "A = 2\n"})
    repo.git("checkout", "-q", "-b", "team/x")
    third = repo.commit({"dags/a.py": "A = 3\n"})
    repo.git("checkout", "-q", "main")
    expected = {
        second: ["main", "HEAD", "@", "refs/heads/main", "heads/main", "origin/main", "remotes/origin/main",
                 "refs/remotes/origin/main", "origin", "origin/HEAD", second, second[:4], second[:9].upper()],
        third: ["team/x", "refs/heads/team/x", "origin/team/x"],
        first: ["v1", "refs/tags/v1", "tags/v1", "v1^{}", "v1~0", "main~1", "HEAD^", "origin/team/x~2",
                described, repo.git("rev-parse", "v1")],
    }  # fmt: skip
    for sha, refs in expected.items():
        for ref in refs:
            assert taken(bundle(repo, ref)) == sha, ref


def test_head_follows_the_repositorys_default_branch(storage: Path, repo: Repository) -> None:
    made = bundle(repo, "HEAD")
    assert taken(made) == repo.git("rev-parse", "main")
    repo.git("checkout", "-q", "-b", "trunk")
    sha = repo.commit({"dags/a.py": "A = 2\n"})
    assert taken(made) == sha
    repo.git("checkout", "-q", "--detach", "main")
    assert taken(made) == repo.git("rev-parse", "main")
    repo.git("symbolic-ref", "HEAD", "refs/heads/nowhere")
    assert "its branches are: main, trunk" in why_not(made)


def test_what_is_not_there_is_told_with_what_is(storage: Path, repo: Repository) -> None:
    repo.git("tag", "only-a-tag")
    for ref in (
        "refs/heads/only-a-tag",
        "origin/gone",
        "refs/tags/main",
        "main~9",
        "f" * 40,
        "v1:README",
        "main@{1}",
    ):
        assert "its branches are: main" in why_not(bundle(repo, ref)), ref
    for ref in ("", "-x", "a\nb", "a\0b"):
        with pytest.raises(InvalidInput):
            bundle(repo, ref)


def test_a_branch_that_nobody_can_take_does_not_hold_back_the_one_that_is_tracked(
    storage: Path, repo: Repository
) -> None:
    sha = repo.git("rev-parse", "HEAD")
    packed = f"{sha} refs/heads/{'x' * 255}\n{sha} refs/tags/{'y' * 253}\n"
    (repo.path / ".git/packed-refs").write_text(f"# pack-refs with: peeled fully-peeled sorted\n{packed}")
    made = bundle(repo)
    assert taken(made) == sha
    raw = b"100644 x\0" + bytes.fromhex(repo.git("hash-object", "-w", "--stdin", stdin=b"x"))
    tree = repo.git(
        "hash-object", "-t", "tree", "-w", "--literally", "--stdin", stdin=raw + b"9 y\0" + b"z" * 20
    )
    repo.git("update-ref", "refs/heads/malformed", repo.git("commit-tree", "-m", "odd", tree))
    sha = repo.commit({"dags/a.py": "A = 2\n"})
    assert taken(made) == taken(bundle(repo, "HEAD")) == taken(bundle(repo, sha)) == sha


# -- shallow sources --------------------------------------------------------------------------------------


def shallow(repo: Repository, depth: int = 1) -> Repository:
    """What a CI job checks out."""
    path = repo.path.with_name("checkout")
    command = ["git", "clone", "-q", f"--depth={depth}", f"file://{repo.path}", str(path)]
    subprocess.run(command, check=True)
    clone = Repository.__new__(Repository)
    clone.path = path
    return clone


def test_a_shallow_clone_is_a_source_and_may_be_deepened(
    storage: Path, repo: Repository, server: GitServer
) -> None:
    shas = [repo.git("rev-parse", "HEAD"), *(repo.commit({"dags/a.py": f"A = {n}\n"}) for n in range(2, 5))]
    clone = shallow(repo)
    local, remote = bundle(clone), bundle(server.url("checkout/.git"), name="remote")
    for made in (local, remote):
        assert taken(made) == shas[-1] and (made.path / "dags/a.py").read_text() == "A = 4\n"
        assert made.protect([shas[-1]]) == set()
    with pytest.raises(HostError, match="neither on disk"):
        bundle(clone, version=shas[1]).initialize()
    clone.git("fetch", "-q", "--deepen=1")
    clone.git("fetch", "-q", "--unshallow")
    shas.append(repo.commit({"dags/a.py": "A = 5\n"}))
    clone.git("pull", "-q")
    for made in (local, remote):
        assert taken(made) == shas[-1]
        made.materialize(shas[1])
        assert made.mirror.has(shas[-2]) and made.version_info(shas[1]).author


# -- servers ----------------------------------------------------------------------------------------------


def test_an_empty_repository_is_called_empty(storage: Path, tmp_path: Path, repo: Repository) -> None:
    Repository(tmp_path / "empty")
    with git_server(tmp_path) as server:
        for url in (str(tmp_path / "empty"), server.url("empty/.git")):
            assert "it is empty" in why_not(bundle(url))
            assert "it is empty" in why_not(bundle(url, "HEAD"))


HTML = {"Content-Type": "text/html; charset=utf-8"}


@pytest.mark.parametrize(
    "answer, reason",
    [
        (
            (200, HTML, b"<html>Please log in</html>"),
            "no git repository, but a page (text/html; charset=utf-8)",
        ),
        ((200, HTML, b"<html>\n<p>Please log in\n</html>\n"), "no git repository: it may be a login page"),
        ((200, {"Content-Type": "text/plain"}, b"hello"), "or is none (a text/plain answers)"),
        ((302, {"Location": "/login"}, b""), "redirects to something that is no git repository"),
        ((401, {"WWW-Authenticate": 'Basic realm="x"'}, b""), "asks for a login (401)"),
        ((403, {}, b""), "forbids it (403)"),
        ((404, {}, b""), "no such repository (404)"),
        ((503, HTML, b"<html>"), "answers with error 503"),
        ((0, {}, b"20"), "does not answer"),
    ],
)
def test_a_server_that_answers_with_something_else_is_told_for_what_it_does(
    storage: Path,
    repo: Repository,
    server: GitServer,
    monkeypatch: pytest.MonkeyPatch,
    answer: Any,
    reason: str,
) -> None:
    quick = [setting.replace("lowSpeedTime=30", "lowSpeedTime=1") for setting in git_command._SAFE_CONFIG]
    monkeypatch.setattr(git_command, "_SAFE_CONFIG", tuple(quick))
    made = bundle(server.url("repo/.git"))
    sha = taken(made)
    other: Callable[[str], Any] = lambda path: (  # noqa: E731
        (200, HTML, b"<html>") if path.startswith("/login") else answer
    )
    server.answer = other
    assert reason in why_not(made)
    assert made.get_current_version().version == sha and made.path.exists()
    with pytest.raises(HostError, match="Can not"):
        bundle(server.url("repo/.git"), name="new").initialize()
    server.answer = lambda path: None
    assert taken(made) == sha


def test_a_repository_that_moved_is_followed(storage: Path, repo: Repository, server: GitServer) -> None:
    server.answer = lambda path: (
        (301, {"Location": path.replace("old.git", "repo/.git")}, b"")
        if path.startswith("/old.git")
        else None
    )
    assert taken(bundle(server.url("old.git"))) == repo.git("rev-parse", "HEAD")


def test_a_commit_id_that_is_nowhere_is_an_error_and_no_wait_for_oneself(
    storage: Path, repo: Repository
) -> None:
    made = bundle(repo, "0" * 40)
    failed: list[BaseException] = []

    def refresh() -> None:
        try:
            made.refresh()
        except HostError as error:
            failed.append(error)

    thread = threading.Thread(target=refresh, daemon=True)
    thread.start()
    thread.join(30)
    assert not thread.is_alive() and failed


# -- content ----------------------------------------------------------------------------------------------


def test_permission_to_execute_is_content(storage: Path, repo: Repository) -> None:
    made = bundle(repo)
    first = taken(made)
    (repo.path / "lib/helper.py").chmod(0o755)
    second = repo.commit()
    assert taken(made) == second
    before, after = made.manifest(first), made.manifest(second)
    assert {path for path in before if before[path] != after[path]} == {"lib/helper.py"}
    assert (made.path / "lib/helper.py").stat().st_mode & 0o111
    assert not made.materialize(first).joinpath("lib/helper.py").stat().st_mode & 0o111
