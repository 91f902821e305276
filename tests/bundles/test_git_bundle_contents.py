"""GitBundle: what of a commit is left out and named, what is refused with a reason, and what sizes cost."""

from __future__ import annotations

import logging
import os
import shutil
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("airflow")

from harness.bundle_fixtures import Repository, files_below
from harness.bundle_fixtures import repo as repo
from harness.bundle_fixtures import storage as storage
from pinwheel.airflow3.bundles import layout
from pinwheel.airflow3.bundles.git import GitBundle
from pinwheel.airflow3.bundles.git_command import PIECE, BlobReader
from pinwheel.core.errors import HostError, RefusedVersion
from pinwheel.core.version_alias import make_aliased_version

MakeBundle = Callable[..., GitBundle]


@pytest.fixture
def make(storage: Path, repo: Repository) -> MakeBundle:
    def make_bundle(**kwargs: Any) -> GitBundle:
        return GitBundle(**{"name": "main", "tracking_ref": "main", "repo_url": str(repo.path), **kwargs})

    return make_bundle


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of all objects that are read, in order."""
    oids: list[str] = []
    real = BlobReader.open
    monkeypatch.setattr(BlobReader, "open", lambda self, oid: (oids.append(oid), real(self, oid))[1])
    return oids


def commit_tree(repo: Repository, *entries: tuple[bytes, bytes, str]) -> str:
    """A commit whose tree holds (mode, name, id) as they are given, however wrong."""
    raw = b"".join(mode + b" " + name + b"\0" + bytes.fromhex(oid) for mode, name, oid in entries)
    tree = repo.git("hash-object", "-t", "tree", "-w", "--literally", "--stdin", stdin=raw)
    sha = repo.git("commit-tree", "-m", "odd", tree)
    repo.git("update-ref", "refs/heads/main", sha)
    return sha


def blob(repo: Repository, content: bytes) -> str:
    return repo.git("hash-object", "-w", "--stdin", stdin=content)


# -- left out ---------------------------------------------------------------------------------------------


def test_links_that_leave_the_repository_are_left_out_and_named(
    make: MakeBundle, repo: Repository, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "outside.py").write_text("SECRET = 1\n")
    out = {
        "absolute.py": str(tmp_path / "outside.py"),
        "climbing.py": "../outside.py",
        "dags/climbing.py": "../../outside.py",
        "dags/through.py": "../absolute.py",
        "out": str(tmp_path),
        "circle": "round",
        "round": "circle",
    }
    stays = {"dags/helper.py": "../lib/helper.py", "library": "lib", "nowhere.py": "lib/nothing.py"}
    for path, target in {**out, **stays}.items():
        (repo.path / path).symlink_to(target)
    sha = repo.commit()
    bundle = make()
    with caplog.at_level(logging.WARNING):
        bundle.initialize()
    reasons = {one.path: one.reason for one in bundle.left_out(sha)}
    assert reasons.keys() == out.keys() and all("a link that le" in reason for reason in reasons.values())
    assert str(tmp_path / "outside.py") in reasons["absolute.py"] and "circle" in reasons["round"]
    assert "absolute.py" in caplog.text
    for path, target in stays.items():
        assert os.readlink(bundle.path / path) == target
    assert not any(os.path.lexists(bundle.path / path) for path in out)
    manifest = bundle.manifest(sha)
    assert not manifest.keys() & out.keys() and stays.keys() < manifest.keys()
    shutil.rmtree(bundle.store.records)
    assert bundle.manifest(sha) == manifest, "with and without the directory"
    caplog.clear()
    bundle.refresh()
    assert "absolute.py" not in caplog.text, "told once"


def test_a_link_into_the_repository_beside_the_subdir_stays(make: MakeBundle, repo: Repository) -> None:
    (repo.path / "dags/helper.py").symlink_to("../lib/helper.py")
    sha = repo.commit()
    bundle = make(subdir="dags")
    bundle.initialize()
    assert (bundle.path / "helper.py").read_text() == "H = 1\n" and bundle.left_out(sha) == ()


@pytest.mark.parametrize("target", [b"", b"a\0b", b"x" * 5000, b"y" * (3 * PIECE)])
def test_a_link_whose_target_is_no_path_is_left_out(
    make: MakeBundle, repo: Repository, target: bytes
) -> None:
    good = blob(repo, b"A = 1\n")
    sha = commit_tree(repo, (b"100644", b"a.py", good), (b"120000", b"bad", blob(repo, target)))
    bundle = make()
    bundle.initialize()
    assert files_below(bundle.path) == {"a.py": b"A = 1\n"}
    assert [(one.path, one.reason) for one in bundle.left_out(sha)] == [
        ("bad", "a link whose target is no path")
    ]


def test_of_very_many_entries_left_out_the_first_are_named_and_the_rest_counted(
    make: MakeBundle, repo: Repository
) -> None:
    for number in range(300):
        (repo.path / f"link{number:03}").symlink_to("/etc/hostname")
    sha = repo.commit()
    bundle = make()
    bundle.initialize()
    left_out = bundle.left_out(sha)
    assert len(left_out) == 200 and (left_out[0].path, left_out[-1].reason) == ("link000", "and 101 more")


def test_what_was_left_out_of_a_version_goes_with_its_directory(make: MakeBundle, repo: Repository) -> None:
    (repo.path / "out").symlink_to("/etc")
    sha = repo.commit()
    bundle = make()
    bundle.initialize()
    assert bundle.left_out(sha)
    shutil.rmtree(bundle.versions_dir / sha)
    bundle.store.sweep()
    assert bundle.left_out(sha) == () and list(bundle.store.notes.iterdir()) == []


# -- refused ----------------------------------------------------------------------------------------------


def test_modes_that_git_does_not_make_mean_what_git_makes_of_them(make: MakeBundle, repo: Repository) -> None:
    oid = blob(repo, b"A = 1\n")
    sha = commit_tree(repo, (b"100664", b"a.py", oid), (b"10644", b"pipe", oid), (b"100775", b"run.sh", oid))
    bundle = make()
    bundle.initialize()
    assert not (bundle.path / "a.py").stat().st_mode & 0o111
    assert (bundle.path / "run.sh").stat().st_mode & 0o111
    assert set(bundle.manifest(sha)) == {"a.py", "pipe", "run.sh"}


ODD_TREES: dict[str, tuple[list[tuple[bytes, bytes]], str]] = {
    "twice": ([(b"100644", b"a.py"), (b"100644", b"a.py")], "'a.py' twice"),
    "unsorted and twice": ([(b"100644", b"b"), (b"100644", b"a"), (b"100644", b"b")], "'b' twice"),
    "long name": ([(b"100644", b"a" * 256)], "File name too long"),
    "unsafe": ([(b"100644", b"..")], r"unsafe path '\.\.'"),
    "git's own": ([(b"100644", b".GIT")], "unsafe path"),
}


@pytest.mark.parametrize("case", ODD_TREES)
def test_a_tree_that_no_directory_can_hold_is_refused_with_its_version_and_the_reason(
    make: MakeBundle, repo: Repository, case: str
) -> None:
    entries, reason = ODD_TREES[case]
    bundle = make()
    bundle.initialize()
    good = bundle.path
    oid = blob(repo, b"x")
    sha = commit_tree(repo, *((mode, name, oid) for mode, name in entries))
    with pytest.raises(RefusedVersion, match=reason) as caught:
        bundle.refresh()
    refused = caught.value
    assert (refused.bundle_name, refused.version) == ("main", sha) and refused.reason in str(refused)
    assert "Traceback" not in str(refused) and refused.remedy
    assert bundle.path == good and list(bundle.store.temporary.iterdir()) == []
    restarted = make()
    restarted.initialize()
    assert restarted.path == good


def test_a_tree_of_very_many_folders_is_refused_and_one_of_many_taken(
    make: MakeBundle, repo: Repository
) -> None:
    repo.commit({"d/" * 190 + "a.py": "A = 1\n"})
    bundle = make()
    bundle.initialize()
    good = bundle.path
    assert (good / ("d/" * 190) / "a.py").exists()
    commit = "commit refs/heads/main\ncommitter A <a@b> 1 +0000\ndata 1\nx\n"
    deep = f"M 644 inline {'d/' * 1200}a.py\ndata 1\nx\n"
    repo.git("fast-import", "--quiet", "--force", stdin=(commit + deep).encode())
    with pytest.raises(RefusedVersion, match="more than 200 folders deep"):
        bundle.refresh()
    assert bundle.path == good


def test_a_version_over_a_limit_is_refused_and_not_looked_at_again(
    make: MakeBundle, repo: Repository, monkeypatch: pytest.MonkeyPatch, opened: list[str]
) -> None:
    bundle = make()
    bundle.initialize()
    good = bundle.path
    sha = repo.commit({"big.bin": b"b" * 5000, "small.bin": b"s" * 500})
    for option, limit, reason in (
        ("BUNDLE_MAX_FILES", "4", "at least 5 files; at most 4"),
        ("BUNDLE_MAX_FILE_BYTES", "4999", "'big.bin' has 5,000 bytes; at most 4,999"),
        ("BUNDLE_MAX_BYTES", "5300", "more than 5,300 bytes together"),
    ):
        with monkeypatch.context() as configured:
            configured.setenv(f"AIRFLOW__PINWHEEL__{option}", limit)
            fresh = make()
            with pytest.raises(RefusedVersion, match=reason) as caught:
                fresh.refresh()
            assert caught.value.version == sha and option.lower() in caught.value.remedy
            opened.clear()
            with pytest.raises(RefusedVersion, match=reason):
                fresh.refresh()
            assert opened == [] and fresh.path == good
    bundle.refresh()
    assert bundle.path != good
    monkeypatch.setenv("AIRFLOW__PINWHEEL__BUNDLE_MAX_FILES", "1")
    shutil.rmtree(bundle.versions_dir)
    task = make(version=sha)
    task.initialize()
    assert (task.path / "big.bin").exists(), "what was taken once is to run whatever the limits become"


def test_a_refused_commit_that_is_mended_is_taken(make: MakeBundle, repo: Repository) -> None:
    bundle = make()
    bundle.initialize()
    oid = blob(repo, b"x")
    commit_tree(repo, (b"100644", b"a.py", oid), (b"100644", b"a.py", oid))
    with pytest.raises(HostError, match="twice"):
        bundle.refresh()
    sha = commit_tree(repo, (b"100644", b"a.py", oid))
    bundle.refresh()
    assert bundle.get_current_version().version == sha


# -- sizes ------------------------------------------------------------------------------------------------


def test_a_large_file_is_never_in_memory_as_a_whole(
    make: MakeBundle, repo: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = os.urandom(PIECE) * 20 + b"end"
    sha = repo.commit({"large.bin": content})
    written: list[int] = []
    real = os.write
    monkeypatch.setattr(os, "write", lambda to, data: (written.append(len(data)), real(to, data))[1])
    bundle = make()
    tracemalloc.start()
    try:
        bundle.initialize()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert max(written) == PIECE and peak < 8 * PIECE
    assert (bundle.path / "large.bin").read_bytes() == bundle.read_file(sha, "large.bin") == content


def test_of_a_changed_version_only_the_changed_blobs_are_read_and_synced(
    make: MakeBundle, repo: Repository, monkeypatch: pytest.MonkeyPatch, opened: list[str]
) -> None:
    repo.commit({f"d{number // 20}/f{number}.py": f"F = {number}\n" for number in range(400)})
    bundle = make()
    bundle.initialize()
    assert len(opened) == 403
    before = bundle.path
    changed = repo.commit({"d7/f145.py": "F = 'new'\n", "d8/f160.py": None, "d99/added.py": "N = 1\n"})
    opened.clear()
    synced: list[bytes] = []
    real = layout.sync
    monkeypatch.setattr(layout, "sync", lambda path: (synced.append(os.path.basename(path)), real(path))[1])
    bundle.refresh()
    manifest = bundle.manifest(changed)
    assert sorted(opened) == sorted([manifest["d7/f145.py"], manifest["d99/added.py"]])
    assert sorted(synced) == [b"added.py", b"f145.py"]
    assert not (bundle.path / "d8/f160.py").exists() and (bundle.path / "d7/f145.py").read_text() != ""
    assert os.path.samefile(before / "d7/f144.py", bundle.path / "d7/f144.py")


def test_a_renamed_folder_is_not_read_again(make: MakeBundle, repo: Repository, opened: list[str]) -> None:
    repo.commit({f"old/f{number}.py": f"F = {number}\n" for number in range(50)})
    bundle = make()
    bundle.initialize()
    repo.git("mv", "old", "a-new-one")
    repo.commit()
    opened.clear()
    bundle.refresh()
    assert opened == [] and (bundle.path / "a-new-one/f49.py").read_text() == "F = 49\n"


def test_an_aliased_version_takes_its_files_from_the_plain_one(
    make: MakeBundle, repo: Repository, opened: list[str]
) -> None:
    repo.commit({f"lib/f{number}.py": f"F = {number}\n" for number in range(50)})
    bundle = make()
    bundle.initialize()
    opened.clear()
    aliased = make_aliased_version(bundle.get_current_version().version, {"gone/old.py": "dags/a.py"})
    assert (bundle.materialize(aliased) / "gone/old.py").exists() and opened == []


def test_a_record_that_was_cut_short_is_no_record(make: MakeBundle) -> None:
    bundle = make()
    bundle.initialize()
    version, before = bundle.get_current_version().version, files_below(bundle.path)
    record = bundle.store.records / version
    for content in (b"", record.read_bytes()[:-1], b"pinwheel-version-record 1\0end"):
        record.write_bytes(content)
        assert not bundle.store.complete(version)
        make().initialize()
        assert bundle.store.complete(version) and files_below(bundle.path) == before
