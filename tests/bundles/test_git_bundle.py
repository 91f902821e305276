"""GitBundle: every version is an immutable directory, and can be had again whatever the source does."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("airflow")

from harness.bundle_fixtures import DAG, Repository, configured, files_below, killed_at, start_python
from harness.bundle_fixtures import repo as repo
from harness.bundle_fixtures import storage as storage
from pinwheel.airflow3.bundles.git import GitBundle
from pinwheel.airflow3.bundles.locks import file_lock
from pinwheel.core.errors import HostError, InvalidInput, NotFound, RefusedVersion
from pinwheel.core.version_alias import make_aliased_version

MakeBundle = Callable[..., GitBundle]


@pytest.fixture
def make(storage: Path, repo: Repository) -> MakeBundle:
    def make_bundle(**kwargs: Any) -> GitBundle:
        return GitBundle(**{"name": "code", "tracking_ref": "main", "repo_url": str(repo.path), **kwargs})

    return make_bundle


def unreachable(repo: Repository) -> None:
    repo.path.rename(repo.path.with_name("gone"))


# -- tracking ---------------------------------------------------------------------------------------------


def test_path_is_an_immutable_directory_that_refresh_never_changes(
    make: MakeBundle, repo: Repository
) -> None:
    bundle = make()
    bundle.initialize()
    first, before = bundle.path, files_below(bundle.path)
    assert bundle.get_current_version().version == repo.git("rev-parse", "HEAD") == first.name
    second_sha = repo.commit({"dags/a.py": "A = 2\n", "lib/helper.py": None})
    bundle.refresh()
    assert bundle.path.name == second_sha and bundle.path != first
    assert files_below(first) == before
    assert files_below(bundle.path) == {"README": b"read me\n", "dags/a.py": b"A = 2\n"}


def test_a_subdir_is_the_path_and_the_root_of_the_manifest(make: MakeBundle, repo: Repository) -> None:
    bundle = make(subdir="dags/")
    bundle.initialize()
    sha = bundle.get_current_version().version
    assert bundle.path == bundle.versions_dir / sha / "dags"
    assert bundle.manifest(sha) == {
        "a.py": repo.git("rev-parse", "HEAD:dags/a.py"),
        "//README": repo.git("rev-parse", "HEAD:README"),
        "//lib/helper.py": repo.git("rev-parse", "HEAD:lib/helper.py"),
    }
    assert bundle.read_file(sha, "a.py") == b"A = 1\n"
    assert bundle.read_file(sha, "//README") == b"read me\n"
    assert bundle.repository_path == bundle.versions_dir / sha


def test_a_tag_or_a_commit_can_be_tracked(make: MakeBundle, repo: Repository) -> None:
    sha = repo.git("rev-parse", "HEAD")
    repo.git("tag", "-a", "v1", "-m", "one")
    repo.commit({"dags/a.py": "A = 2\n"})
    for ref in ("v1", sha, sha[:10]):
        bundle = make(tracking_ref=ref, name=f"by-{ref[:4]}-{len(ref)}")
        bundle.initialize()
        assert bundle.get_current_version().version == sha


def test_version_info_tells_author_message_time_and_tag(make: MakeBundle, repo: Repository) -> None:
    sha = repo.commit(message="Fix the thing\n\nBecause é.")
    for tag in ("v1.9", "v1.10"):
        repo.git("tag", tag)
    bundle = make()
    bundle.initialize()
    info = bundle.version_info(sha)
    assert (info.author, info.message, info.label) == (
        "Ada <ada@example.com>", "Fix the thing\n\nBecause é.", "v1.10",
    )  # fmt: skip
    assert info.committed_at is not None and info.committed_at.utcoffset() is not None


# -- a version --------------------------------------------------------------------------------------------


def test_a_version_on_disk_needs_no_network_and_waits_for_no_fetch(
    make: MakeBundle, repo: Repository
) -> None:
    first = make()
    first.initialize()
    sha = first.get_current_version().version
    unreachable(repo)
    with first.mirror.fetching():
        started = time.monotonic()
        in_thread(lambda: make(version=sha).initialize(), seconds=5)
        assert time.monotonic() - started < 5


def test_a_version_in_the_mirror_is_written_without_network_and_without_the_fetch_lock(
    make: MakeBundle, repo: Repository
) -> None:
    first = make()
    first.initialize()
    sha, before = first.get_current_version().version, files_below(first.path)
    unreachable(repo)
    shutil.rmtree(first.versions_dir)
    with first.mirror.fetching():
        again = make(version=sha)
        in_thread(again.initialize, seconds=10)
    assert files_below(again.path) == before


def test_a_version_that_must_be_fetched_does_not_wait_for_an_unrelated_fetch(
    make: MakeBundle, repo: Repository
) -> None:
    make().initialize()
    sha = repo.commit({"dags/a.py": "A = 2\n"})
    worker = make(version=sha)
    with worker.mirror.fetching():
        in_thread(worker.initialize, seconds=10)
    assert (worker.path / "dags/a.py").read_text() == "A = 2\n"


def test_a_commit_on_no_branch_is_fetched_by_its_id(make: MakeBundle, repo: Repository) -> None:
    repo.git("checkout", "-q", "--detach")
    sha = repo.commit({"dags/a.py": "A = 3\n"})
    repo.git("checkout", "-q", "main")
    bundle = make(version=sha)
    bundle.initialize()
    assert (bundle.path / "dags/a.py").read_text() == "A = 3\n"


def test_a_version_found_nowhere_is_an_error_that_names_what_was_tried(make: MakeBundle) -> None:
    with pytest.raises(HostError, match=r"neither on disk nor in the local mirror.*all branches and tags"):
        make(version="0" * 40).initialize()


@pytest.mark.parametrize(
    "version", ["main", "-x", "../../etc", "--upload-pack=touch /tmp/x", "HEAD~1", "a/b"]
)
def test_a_malformed_version_is_refused(make: MakeBundle, version: str) -> None:
    bundle = make(version=version)
    with pytest.raises(InvalidInput):
        bundle.initialize()
    with pytest.raises(InvalidInput):
        _ = bundle.path


def test_unchanged_files_are_shared_and_changed_ones_are_not(make: MakeBundle, repo: Repository) -> None:
    bundle = make()
    bundle.initialize()
    old = bundle.path
    repo.commit({"dags/a.py": "A = 2\n"})
    bundle.refresh()
    assert (old / "lib/helper.py").stat().st_ino == (bundle.path / "lib/helper.py").stat().st_ino
    assert (old / "dags/a.py").stat().st_ino != (bundle.path / "dags/a.py").stat().st_ino
    assert not (bundle.path / "lib/helper.py").stat().st_mode & 0o222


def test_a_file_that_somebody_changed_on_disk_is_not_handed_on(make: MakeBundle, repo: Repository) -> None:
    bundle = make()
    bundle.initialize()
    changed = bundle.path / "lib/helper.py"
    changed.chmod(0o644)
    changed.write_text("H = 9\n")
    repo.commit({"dags/a.py": "A = 2\n"})
    bundle.refresh()
    assert (bundle.path / "lib/helper.py").read_text() == "H = 1\n"


def test_mtimes_are_a_function_of_the_content(make: MakeBundle, repo: Repository) -> None:
    one, other = make(name="one"), make(name="other")
    for bundle in (one, other):
        bundle.initialize()
    for name in ("dags/a.py", "README"):
        assert (one.path / name).stat().st_mtime_ns == (other.path / name).stat().st_mtime_ns


# -- history that the source rewrites ---------------------------------------------------------------------


def test_protected_versions_survive_force_push_deleted_branch_gc_and_airflows_clean_up(
    make: MakeBundle, repo: Repository, storage: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = make()
    bundle.initialize()
    released, before = bundle.get_current_version().version, files_below(bundle.path)
    repo.git("checkout", "-q", "-b", "feature")
    on_branch = repo.commit({"dags/feature.py": "F = 1\n"})
    forgotten = repo.commit({"dags/feature.py": "F = 2\n"})
    bundle.refresh()
    bundle.materialize(on_branch)
    assert bundle.protect([released, on_branch]) == set()
    repo.git("checkout", "-q", "--orphan", "new")
    repo.commit({"dags/a.py": "A = 'rewritten'\n"})
    repo.git("branch", "-M", "new", "main")
    repo.git("branch", "-D", "feature")
    repo.git("reflog", "expire", "--expire=now", "--all")
    repo.git("gc", "-q", "--prune=now")
    bundle.refresh()
    bundle.mirror.git.run("reflog", "expire", "--expire=now", "--all")
    bundle.mirror.git.run("gc", "--quiet", "--prune=now")
    assert not bundle.mirror.has(forgotten)
    clean_up_everything(monkeypatch, repo, [released, on_branch])
    assert not (bundle.versions_dir / released).exists()
    unreachable(repo)
    task = make(version=released)
    task.initialize()
    assert files_below(task.path) == before
    assert bundle.protect([released]) == set() and bundle.protect([released]) == set()
    assert set(bundle.mirror.refs("refs/pinwheel/keep/")) == {released}


def clean_up_everything(monkeypatch: pytest.MonkeyPatch, repo: Repository, versions: list[str]) -> None:
    """Airflow's own clean-up, once all versions count as old and unused."""
    from airflow.dag_processing.bundles.base import (
        BundleUsageTrackingManager,
        BundleVersionLock,
        get_bundle_tracking_file,
    )

    for version in versions:
        with BundleVersionLock(bundle_name="code", bundle_version=version):
            pass
        get_bundle_tracking_file("code", version).write_text("2020-01-01T00:00:00+00:00")
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__STALE_BUNDLE_CLEANUP_MIN_VERSIONS", "0")
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__STALE_BUNDLE_CLEANUP_AGE_THRESHOLD", "10")
    entry = ("code", "pinwheel.bundles.GitBundle", {"tracking_ref": "main", "repo_url": str(repo.path)})
    with configured(monkeypatch, entry):
        BundleUsageTrackingManager().remove_stale_bundle_versions()


def test_airflows_clean_up_leaves_a_version_in_use_and_takes_an_unused_one(
    make: MakeBundle, repo: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = make()
    bundle.initialize()
    old = bundle.get_current_version().version
    new = repo.commit({"dags/a.py": "A = 2\n"})
    bundle.refresh()
    clean_up_everything(monkeypatch, repo, [old, new])
    assert not (bundle.versions_dir / old).exists()
    assert bundle.path.exists()
    bundle.refresh()
    assert not (bundle.base_dir / "records" / old).exists()


def test_a_half_removed_directory_is_made_anew(make: MakeBundle) -> None:
    bundle = make()
    bundle.initialize()
    before = files_below(bundle.path)
    (bundle.path / "lib/helper.py").unlink()
    task = make(version=bundle.get_current_version().version)
    task.initialize()
    assert files_below(task.path) == before


def test_a_directory_that_another_bundle_class_left_is_made_anew(make: MakeBundle, repo: Repository) -> None:
    sha = repo.git("rev-parse", "HEAD")
    bundle = make(version=sha)
    (bundle.versions_dir / sha).mkdir(parents=True)
    (bundle.versions_dir / sha / "dirty.py").write_text("")
    bundle.initialize()
    assert set(files_below(bundle.path)) == {"README", "dags/a.py", "lib/helper.py"}


def test_workers_without_a_shared_disk_get_protected_versions_from_the_mirror_url(
    make: MakeBundle, repo: Repository, tmp_path: Path
) -> None:
    shared = tmp_path / "shared.git"
    subprocess.run(["git", "init", "-q", "--bare", str(shared)], check=True)
    processor = make(mirror_url=str(shared))
    processor.initialize()
    sha, before = processor.get_current_version().version, files_below(processor.path)
    assert processor.protect([sha]) == set()
    repo.git("checkout", "-q", "--orphan", "new")
    repo.commit({"dags/a.py": "A = 'rewritten'\n"})
    repo.git("branch", "-M", "new", "main")
    repo.git("reflog", "expire", "--expire=now", "--all")
    repo.git("gc", "-q", "--prune=now")
    shutil.rmtree(processor.base_dir)
    worker = make(mirror_url=str(shared), version=sha)
    worker.initialize()
    assert files_below(worker.path) == before


def test_protect_returns_what_it_could_not_do(make: MakeBundle, repo: Repository, tmp_path: Path) -> None:
    bundle = make(mirror_url=str(tmp_path / "no-such.git"))
    bundle.initialize()
    sha = bundle.get_current_version().version
    assert bundle.protect([sha, "0" * 40, "nonsense"]) == {sha, "0" * 40, "nonsense"}
    assert set(bundle.mirror.refs("refs/pinwheel/keep/")) == {sha}


# -- sources that fail ------------------------------------------------------------------------------------


@pytest.mark.parametrize("trouble", ["unreachable", "emptied", "branch deleted"])
def test_a_failing_source_leaves_the_last_version_in_use(
    make: MakeBundle, repo: Repository, trouble: str
) -> None:
    bundle = make()
    bundle.initialize()
    path, version = bundle.path, bundle.get_current_version()
    if trouble == "unreachable":
        unreachable(repo)
    elif trouble == "emptied":
        unreachable(repo)
        Repository(repo.path)
    else:
        repo.git("branch", "-m", "main", "trunk")
    with pytest.raises(HostError) as caught:
        bundle.refresh()
    assert caught.value.failed and caught.value.found and "version in use stays" in caught.value.remedy
    assert (bundle.path, bundle.get_current_version()) == (path, version) and path.exists()
    restarted = make()
    restarted.initialize()
    assert restarted.path == path


def test_a_first_start_with_an_unreachable_source_fails(make: MakeBundle, repo: Repository) -> None:
    unreachable(repo)
    with pytest.raises(HostError, match="Can not fetch the repository"):
        make().initialize()


def test_credentials_are_in_no_message_file_or_argument(
    storage: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bundle = GitBundle(
        name="secret",
        tracking_ref="main",
        repo_url="http://ada:hunter2@127.0.0.1:1/x.git",
        mirror_url="http://bob:hunter3@127.0.0.1:1/y.git",
    )
    with pytest.raises(HostError) as caught:
        bundle.initialize()
    with pytest.raises(HostError) as version:
        bundle.materialize("0" * 40)
    text = f"{caught.value} {version.value} {caplog.text} {bundle!r} {bundle.view_url_template()}"
    text += "".join(path.read_text(errors="replace") for path in storage.rglob("*") if path.is_file())
    assert "hunter" not in text and "127.0.0.1" in text


def test_the_password_of_a_connection_reaches_git_and_nothing_else(
    storage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = tmp_path / "seen"
    fake = tmp_path / "bin" / "git"
    fake.parent.mkdir()
    real = shutil.which("git")
    fake.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$*" >> {seen}\n'
        f'case "$*" in *" fetch "*) printf "protocol=https\\nhost=example.com\\n\\n" | '
        f'{real} credential fill > {seen}.credential 2>&1; echo "denied hunter2" >&2; exit 1;; esac\n'
        f'exec {real} "$@"\n'
    )
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("AIRFLOW_CONN_MY_GIT", '{"conn_type": "git", "host": "https://example.com/x.git", '
                       '"login": "ada", "password": "hunter2"}')  # fmt: skip
    bundle = GitBundle(name="connected", tracking_ref="main", git_conn_id="my_git")
    with pytest.raises(HostError) as caught:
        bundle.initialize()
    assert "password=hunter2" in Path(f"{seen}.credential").read_text()
    assert "hunter2" not in seen.read_text() + str(caught.value)
    assert "AIRFLOW_GIT_TOKEN" not in os.environ


def test_the_constructor_needs_no_connection(storage: Path) -> None:
    GitBundle(name="x", tracking_ref="main", git_conn_id="missing", repo_url="https://example.com/x.git")
    without = GitBundle(name="x", tracking_ref="main", git_conn_id="missing")
    assert not storage.exists()
    with pytest.raises(HostError, match="missing"):
        without.initialize()


def test_the_view_url_is_that_of_the_provider(storage: Path) -> None:
    def url(repo_url: str, **kwargs: Any) -> str | None:
        return GitBundle(name="x", tracking_ref="main", repo_url=repo_url, **kwargs).view_url_template()

    assert url("git@github.com:a/b.git", subdir="d") == "https://github.com/a/b/tree/{version}/d"
    assert url("https://u:p@gitlab.com/a/b.git") == "https://gitlab.com/a/b/-/tree/{version}"
    assert url("https://example.com/a") is None


# -- hostile and odd content ------------------------------------------------------------------------------


def test_odd_names_links_and_modes_are_kept(make: MakeBundle, repo: Repository) -> None:
    odd = {"-dash.py": "1", "new\nline.py": "2", "ümlaut ☃.py": "3", 'qu"ote\\.py': "4", "raw\udcff.py": "5"}
    repo.write(dict(odd))
    (repo.path / "run.sh").write_text("#!/bin/sh\n")
    (repo.path / "run.sh").chmod(0o755)
    (repo.path / "inside").symlink_to("dags/a.py")
    sha = repo.commit()
    bundle = make()
    bundle.initialize()
    manifest = bundle.manifest(sha)
    for name, content in odd.items():
        assert (bundle.path / name).read_text() == content
        assert bundle.read_file(sha, name) == content.encode() and name in manifest
    assert (bundle.path / "run.sh").stat().st_mode & 0o111
    assert os.readlink(bundle.path / "inside") == "dags/a.py"
    assert bundle.read_file(sha, "inside") == b"A = 1\n" and manifest["inside"].startswith("link:")


def test_links_that_leave_the_tree_are_never_followed(
    make: MakeBundle, repo: Repository, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("secret")
    (repo.path / "absolute").symlink_to(tmp_path / "secret")
    (repo.path / "climbing").symlink_to("../secret")
    (repo.path / "folder").symlink_to(tmp_path)
    (repo.path / "loop").symlink_to("loop")
    sha = repo.commit()
    bundle = make()
    bundle.initialize()
    for name in ("absolute", "climbing", "folder/secret", "loop", "../secret", "missing", "dags"):
        with pytest.raises(NotFound):
            bundle.read_file(sha, name)


def test_filters_hooks_and_attributes_of_the_content_run_nothing(
    make: MakeBundle, repo: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    witness = tmp_path / "ran"
    settings = tmp_path / "gitconfig"
    settings.write_text(
        f'[filter "evil"]\n\tsmudge = touch {witness}\n\tclean = touch {witness}\n\trequired\n'
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    sha = repo.commit({".gitattributes": "*.py filter=evil eol=crlf ident\n", "dags/b.py": "# $Id$\n"})
    bundle = make()
    bundle.initialize()
    assert bundle.read_file(sha, "dags/b.py") == (bundle.path / "dags/b.py").read_bytes() == b"# $Id$\n"
    assert not witness.exists()
    with pytest.raises(HostError):
        GitBundle(name="ext", tracking_ref="main", repo_url=f"ext::touch {witness}").initialize()
    assert not witness.exists()


def test_a_tree_that_would_write_outside_is_refused(make: MakeBundle, repo: Repository) -> None:
    blob = repo.git("hash-object", "-w", "--stdin", stdin=b"x")
    raw = b"100644 x\0" + bytes.fromhex(blob)
    inner = repo.git("hash-object", "-t", "tree", "-w", "--literally", "--stdin", stdin=raw)
    for name in (b"..", b".git", b".GIT"):
        outer = repo.git("hash-object", "-t", "tree", "-w", "--literally", "--stdin",
                         stdin=b"40000 " + name + b"\0" + bytes.fromhex(inner))  # fmt: skip
        repo.git("update-ref", "refs/heads/main", repo.git("commit-tree", "-m", "evil", outer))
        with pytest.raises(HostError, match="unsafe path"):
            make(name="evil").initialize()


def test_a_tree_that_lists_a_link_and_a_folder_of_one_name_writes_nothing_outside(
    make: MakeBundle, repo: Repository, tmp_path: Path
) -> None:
    target = tmp_path / "target"
    target.mkdir()
    link = repo.git("hash-object", "-w", "--stdin", stdin=str(target).encode())
    blob = repo.git("hash-object", "-w", "--stdin", stdin=b"x")
    inner = repo.git("hash-object", "-t", "tree", "-w", "--stdin", stdin=b"100644 x\0" + bytes.fromhex(blob))
    raw = b"120000 a\0" + bytes.fromhex(link) + b"40000 a\0" + bytes.fromhex(inner)
    outer = repo.git("hash-object", "-t", "tree", "-w", "--literally", "--stdin", stdin=raw)
    repo.git("update-ref", "refs/heads/main", repo.git("commit-tree", "-m", "evil", outer))
    with pytest.raises(HostError):
        make(name="evil").initialize()
    assert list(target.iterdir()) == []


def test_sparse_dirs_keep_the_folders_and_the_files_beside_their_parents(
    make: MakeBundle, repo: Repository
) -> None:
    sha = repo.commit({"x/y/z/deep.py": "", "x/y/beside.py": "", "x/other/no.py": "", "x/top.py": ""})
    bundle = make(sparse_dirs=["x/y/z"])
    bundle.initialize()
    expected = {"README", "x/top.py", "x/y/beside.py", "x/y/z/deep.py"}
    assert set(files_below(bundle.path)) == set(bundle.manifest(sha)) == expected


def test_submodules_are_written_when_asked_for(make: MakeBundle, repo: Repository, tmp_path: Path) -> None:
    module = Repository(tmp_path / "module")
    pinned = module.commit({"m.py": "M = 1\n"})
    repo.git("submodule", "--quiet", "add", "../module", "vendored")
    sha = repo.commit()
    plain, full = make(), make(name="full", submodules=True)
    plain.initialize()
    full.initialize()
    assert list((plain.path / "vendored").iterdir()) == []
    assert plain.manifest(sha)["vendored"] == f"commit:{pinned}"
    assert (full.path / "vendored/m.py").read_text() == "M = 1\n"
    assert "vendored/m.py" in full.manifest(sha) and full.read_file(sha, "vendored/m.py") == b"M = 1\n"


def test_a_version_can_be_a_git_work_tree(make: MakeBundle, repo: Repository) -> None:
    bundle = make(prune_dotgit_folder=False)
    bundle.initialize()
    out = subprocess.run(
        ["git", "-C", str(bundle.path), "log", "--format=%H"], capture_output=True, check=True, text=True
    )
    assert out.stdout.strip() == repo.git("rev-parse", "HEAD")


def test_a_name_that_git_takes_into_no_work_tree_is_refused_and_one_that_only_windows_minds_taken(
    make: MakeBundle, repo: Repository
) -> None:
    bundle = make(prune_dotgit_folder=False)
    bundle.initialize()
    tree = repo.git("write-tree")
    lines = repo.git("ls-tree", tree) + "\n"
    readme = lines.split()[2]
    for entry, refused in ((f"100644 blob {readme}\tgit~1\n", False),
                           (f"120000 blob {readme}\t.gitmodules\n", True)):  # fmt: skip
        made = repo.git("mktree", stdin=(lines + entry).encode())
        repo.git("update-ref", "refs/heads/main", repo.git("commit-tree", made, "-m", "odd"))
        if refused:
            with pytest.raises(RefusedVersion, match=r"no work tree: .*invalid path"):
                bundle.refresh()
        else:
            bundle.refresh()
            assert (bundle.path / "git~1").exists() and (bundle.path / ".git").exists()


# -- aliases ----------------------------------------------------------------------------------------------


def load(bundle: GitBundle, path: str) -> Any:
    """What Airflow's task process does with a file of a bundle."""
    from airflow.dag_processing.dagbag import BundleDagBag

    bag = BundleDagBag(
        dag_folder=str(bundle.path / path), safe_mode=True, load_op_links=False,
        bundle_path=bundle.path, bundle_name=bundle.name,
    )  # fmt: skip
    assert bag.import_errors == {}
    return bag


@pytest.mark.parametrize("assigned", [True, False])
def test_airflow_finds_the_dag_of_a_moved_file_under_its_old_path(
    make: MakeBundle, repo: Repository, assigned: bool
) -> None:
    source = DAG.format(dag_id="moved", value=7)
    if assigned:
        source = source.replace("datetime(2024, 1, 1)):", "datetime(2024, 1, 1)) as dag:")
    sha = repo.commit({"dags/deep/new.py": source + "assert BESIDE.read_text() == 'x'\n",
                       "dags/deep/beside.txt": "x", "dags/old.py": "raise SystemExit\n"})  # fmt: skip
    bundle = make(version=make_aliased_version(sha, {"old.py": "deep/new.py"}), subdir="dags")
    bundle.initialize()
    dag = load(bundle, "old.py").dags["moved"]
    assert list(dag.task_dict) == ["show"]
    assert make(version=sha).materialize(sha).joinpath("dags/old.py").read_text() == "raise SystemExit\n"
    manifest = bundle.manifest(bundle.version or "")
    assert manifest["old.py"] == manifest["deep/new.py"]
    assert b"moved" in bundle.read_file(bundle.version or "", "old.py")
    folders = [dag.folder, *(dag.template_searchpath or [])]
    assert str(bundle.path / "deep") in folders


def test_two_files_that_changed_places_serve_each_other(make: MakeBundle, repo: Repository) -> None:
    sha = repo.commit({f"dags/{name}.py": DAG.format(dag_id=f"dag_{name}", value=1) for name in "ab"})
    aliases = {"dags/a.py": "dags/b.py", "dags/b.py": "dags/a.py"}
    bundle = make(version=make_aliased_version(sha, aliases))
    bundle.initialize()
    assert set(load(bundle, "dags/a.py").dags) == {"dag_b"}
    assert set(load(bundle, "dags/b.py").dags) == {"dag_a"}


def test_a_file_of_another_bundle_is_served_with_its_own_imports(
    make: MakeBundle, repo: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Repository(tmp_path / "other")
    source = "import other_only_helper\n" + DAG.format(dag_id="wanderer", value=1)
    sha = other.commit({"sub/old place/w.py": source, "sub/other_only_helper.py": ""})
    git = "pinwheel.bundles.GitBundle"
    with configured(
        monkeypatch,
        ("code", git, {"tracking_ref": "main", "repo_url": str(repo.path), "subdir": "dags"}),
        ("other", git, {"tracking_ref": "main", "repo_url": str(other.path), "subdir": "sub"}),
    ):
        version = make_aliased_version(sha, {"x/w.py": "@other!old place/w.py"})
        bundle = make(version=version, subdir="dags")
        monkeypatch.setattr(sys, "path", list(sys.path))
        bundle.initialize()
        assert set(load(bundle, "x/w.py").dags) == {"wanderer"}
        assert bundle.manifest(version)["x/w.py"] == other.git("rev-parse", "HEAD:sub/old place/w.py")
        assert b"wanderer" in bundle.read_file(version, "x/w.py")
        assert bundle.version_info(version).author == "Ada <ada@example.com>"
        assert bundle.protect([version]) == set()


def test_a_zip_is_served_as_it_is_and_a_file_in_it_by_a_loader(make: MakeBundle, repo: Repository) -> None:
    import io
    import zipfile

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("zipped.py", DAG.format(dag_id="zipped", value=1).split("BESIDE")[0])
    sha = repo.commit({"new.zip": buffer.getvalue()})
    whole = make(version=make_aliased_version(sha, {"old.zip": "new.zip"}))
    whole.initialize()
    assert (whole.path / "old.zip").read_bytes() == buffer.getvalue()
    inner = make(version=make_aliased_version(sha, {"dags/was.py": "new.zip/zipped.py"}))
    inner.initialize()
    assert set(load(inner, "dags/was.py").dags) == {"zipped"}


def test_an_alias_to_a_file_that_is_not_there_is_an_error(make: MakeBundle, repo: Repository) -> None:
    sha = repo.git("rev-parse", "HEAD")
    with pytest.raises(NotFound, match=r"nowhere\.py"):
        make(version=make_aliased_version(sha, {"dags/a.py": "nowhere.py"})).initialize()


# -- faults -----------------------------------------------------------------------------------------------


def in_thread(work: Callable[[], object], *, seconds: float) -> None:
    """Run *work* and fail if it is not done in time."""
    failure: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    assert not thread.is_alive(), "it waits for a lock that it does not need"
    if failure:
        raise failure[0]


def test_many_threads_and_processes_materialize_one_version_at_once(
    make: MakeBundle, repo: Repository
) -> None:
    sha = repo.commit({f"dags/f{number}.py": f"F = {number}\n" for number in range(200)})
    code = (
        "import sys, threading\nfrom pinwheel.airflow3.bundles.git import GitBundle\n"
        "url, sha = sys.argv[1:]\n"
        "def work():\n    b = GitBundle(name='code', tracking_ref='main', repo_url=url, version=sha)\n"
        "    b.initialize()\n    assert len(list(b.path.glob('dags/*.py'))) == 201\n    done.append(1)\n"
        "done = []\nthreads = [threading.Thread(target=work) for _ in range(4)]\n"
        "[t.start() for t in threads]; [t.join() for t in threads]\nassert len(done) == 4\n"
    )
    processes = [start_python(code, str(repo.path), sha) for _ in range(4)]
    for process in processes:
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err.decode()


def test_a_kill_at_any_moment_leaves_only_whole_versions(
    make: MakeBundle, repo: Repository, storage: Path
) -> None:
    sha = repo.commit({"dags/link": "x", **{f"dags/f{number}.py": f"F = {number}\n" for number in range(4)}})
    reference = make(name="reference", version=sha)
    reference.initialize()
    expected = files_below(reference.path)
    for point in range(1000):
        shutil.rmtree(make().base_dir, ignore_errors=True)
        killed = killed_at(point, make(version=sha).initialize, below=storage)
        bundle = make(version=sha)
        if bundle.path.exists():
            assert files_below(bundle.path) == expected, f"torn after kill {point}"
        bundle.initialize()
        assert files_below(bundle.path) == expected
        make().initialize()
        assert list((bundle.base_dir / "tmp").iterdir()) == []
        if not killed:
            break
    assert 20 < point < 999, "the kills missed the work"


def test_leftovers_of_dead_processes_are_swept_and_those_of_living_ones_are_not(make: MakeBundle) -> None:
    bundle = make()
    bundle.initialize()
    dead, living = bundle.store.temporary / ("1" * 40), bundle.store.temporary / ("2" * 40)
    for folder in (dead, living):
        folder.mkdir(parents=True)
    with file_lock(bundle.store.locks / f"{'2' * 40}.version"):
        bundle.refresh()
    assert not dead.exists() and living.exists()


def test_a_lock_file_of_a_killed_git_does_not_stop_the_next_fetch(
    make: MakeBundle, repo: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pinwheel.airflow3.bundles import mirror

    monkeypatch.setattr(mirror, "_STALE_LOCK_SECONDS", 0.1)
    bundle = make()
    bundle.initialize()
    (bundle.mirror.path / "refs/upstream/heads/main.lock").touch()
    sha = repo.commit({"dags/a.py": "A = 2\n"})
    bundle.refresh()
    assert bundle.get_current_version().version == sha


def test_a_full_disk_leaves_the_last_version_in_use(
    make: MakeBundle, repo: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = make()
    bundle.initialize()
    path = bundle.path
    repo.commit({"dags/big.py": "B = 1\n" * 1000, "dags/a.py": "A = 2\n"})
    write, room = os.write, [2000]

    def full(descriptor: int, data: bytes) -> int:
        room[0] -= len(data)
        if room[0] < 0:
            raise OSError(28, "No space left on device")
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(HostError, match="No space left on device") as caught:
        bundle.refresh()
    assert "The version in use stays" in str(caught.value)
    assert bundle.path == path and path.exists()
    assert list(bundle.store.temporary.iterdir()) == []
    restarted = make()
    restarted.initialize()
    assert restarted.path == path
    monkeypatch.setattr(os, "write", write)
    bundle.refresh()
    assert bundle.path != path and (bundle.path / "dags/big.py").exists()


def test_a_really_full_disk_leaves_the_last_version_in_use(
    storage: Path, repo: Repository, make: MakeBundle
) -> None:
    storage.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(storage)], check=False
    ).returncode:
        pytest.skip("no right to mount")
    try:
        bundle = make()
        bundle.initialize()
        path = bundle.path
        repo.commit({"big.py": os.urandom(900_000)})
        with pytest.raises(HostError, match=r"(?i)no space left|write error|disk"):
            bundle.refresh()
        assert bundle.path == path and (path / "dags/a.py").read_text() == "A = 1\n"
        repo.commit({"big.py": "small\n"})
    finally:
        subprocess.run(["umount", "-l", str(storage)], check=True)
