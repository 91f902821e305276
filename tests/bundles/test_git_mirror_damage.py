"""A damaged mirror mends itself, and no version is lost that can be had again."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("airflow")

from harness.bundle_fixtures import Repository, files_below, killed_at
from harness.bundle_fixtures import repo as repo
from harness.bundle_fixtures import storage as storage
from pinwheel.airflow3.bundles import mirror as mirror_module
from pinwheel.airflow3.bundles.folder import FolderBundle
from pinwheel.airflow3.bundles.git import GitBundle
from pinwheel.core.errors import HostError


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror_module, "_STALE_LOCK_SECONDS", 0.1)


def bundle(repo: Repository, version: str | None = None) -> GitBundle:
    return GitBundle(name="code", tracking_ref="main", repo_url=str(repo.path), version=version)


def packs(mirror: Path) -> list[Path]:
    return sorted((mirror / "objects/pack").glob("*.pack"))


def cut(path: Path, size: int) -> None:
    path.chmod(0o644)
    os.truncate(path, size)


def scramble(path: Path) -> None:
    """Keep a pack's head, index and length, and no object in it."""
    path.chmod(0o644)
    raw = path.read_bytes()
    path.write_bytes(raw[:12] + b"\0" * (len(raw) - 12))


def replaced(path: Path, by: Callable[[Path], object]) -> None:
    shutil.rmtree(path)
    by(path)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "HEAD gone": lambda mirror: (mirror / "HEAD").unlink(),
    "HEAD empty": lambda mirror: (mirror / "HEAD").write_bytes(b""),
    "HEAD binary": lambda mirror: (mirror / "HEAD").write_bytes(b"\0\xff" * 50),
    "config unreadable": lambda mirror: (mirror / "config").write_bytes(b"[core\n\xff\0"),
    "config of a format to come": lambda mirror: (mirror / "config").write_text(
        "[core]\n\trepositoryformatversion = 9\n"
    ),
    "packs gone": lambda mirror: [path.unlink() for path in packs(mirror)],
    "packs truncated": lambda mirror: [cut(path, path.stat().st_size // 2) for path in packs(mirror)],
    "packs empty": lambda mirror: [cut(path, 0) for path in packs(mirror)],
    "packs scrambled": lambda mirror: [scramble(path) for path in packs(mirror)],
    "indexes gone": lambda mirror: [path.with_suffix(".idx").unlink() for path in packs(mirror)],
    "newest pack gone": lambda mirror: max(packs(mirror), key=lambda path: path.stat().st_mtime_ns).unlink(),
    "objects gone": lambda mirror: shutil.rmtree(mirror / "objects"),
    "refs gone": lambda mirror: shutil.rmtree(mirror / "refs"),
    "a ref of ours broken": lambda mirror: next((mirror / "refs/pinwheel/keep").iterdir()).write_bytes(b"\0"),
    "a ref of the source's broken": lambda mirror: (mirror / "refs/upstream/heads/main").write_text("f" * 40),
    "an ordinary folder": lambda mirror: replaced(mirror, lambda path: (path / "x").mkdir(parents=True)),
    "a file": lambda mirror: replaced(mirror, lambda path: path.write_text("x")),
    "a link to nothing": lambda mirror: replaced(mirror, lambda path: path.symlink_to("nowhere")),
    "nothing": lambda mirror: shutil.rmtree(mirror),
    "locks of a killed git": lambda mirror: [
        (mirror / name).touch()
        for name in ("HEAD.lock", "config.lock", "packed-refs.lock", "shallow.lock",
                     "refs/upstream/heads/main.lock", "refs/upstream/heads/other.lock")
    ],
}  # fmt: skip


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_mirror_is_made_anew_with_all_that_the_source_has(
    storage: Path, repo: Repository, kind: str
) -> None:
    made = bundle(repo)
    made.initialize()
    first, before = made.get_current_version().version, files_below(made.path)
    assert made.protect([first]) == set()
    repo.git("branch", "other")
    second = repo.commit({"dags/a.py": "A = 2\n"})
    made.refresh()
    DAMAGES[kind](made.mirror.path)
    third = repo.commit({"dags/a.py": "A = 3\n", "dags/new.py": "N = 1\n"})
    restarted = bundle(repo)
    restarted.initialize()
    assert restarted.get_current_version().version == third
    shutil.rmtree(made.versions_dir)
    task = bundle(repo, first)
    task.initialize()
    assert files_below(task.path) == before
    restarted.refresh()
    assert files_below(restarted.path)["dags/new.py"] == b"N = 1\n"
    assert restarted.read_file(second, "dags/a.py") == b"A = 2\n" and restarted.version_info(second).author
    assert restarted.protect([first, second]) == set()
    assert restarted.mirror.refs("refs/pinwheel/keep/").keys() == {first, second}
    assert sorted(path.name for path in made.base_dir.glob("mirror.git*")) == ["mirror.git"]


@pytest.mark.parametrize("kind", ["HEAD gone", "HEAD empty", "config unreadable", "newest pack gone"])
def test_versions_that_the_source_has_no_more_are_taken_over_from_the_damaged_mirror(
    storage: Path, repo: Repository, kind: str
) -> None:
    made = bundle(repo)
    made.initialize()
    repo.git("checkout", "-q", "--detach")
    second = repo.commit({"dags/a.py": "A = 2\n", "dags/b.py": "B = 1\n"})
    repo.git("update-ref", "refs/heads/side", second)
    made.refresh()
    kept = files_below(made.materialize(second))
    assert made.protect([second]) == set()
    repo.git("branch", "-D", "side")
    repo.git("checkout", "-q", "main")
    repo.git("reflog", "expire", "--expire=now", "--all")
    repo.git("gc", "-q", "--prune=now")
    repo.commit({"dags/a.py": "A = 3\n"})
    made.refresh()
    DAMAGES[kind](made.mirror.path)
    last = repo.commit({"dags/a.py": "A = 4\n"})
    made.refresh()
    assert made.get_current_version().version == last
    shutil.rmtree(made.versions_dir)
    task = bundle(repo, second)
    task.initialize()
    assert files_below(task.path) == kept
    assert made.protect([second]) == set()


def test_what_is_on_disk_serves_while_a_damaged_mirror_and_its_source_are_both_out_of_reach(
    storage: Path, repo: Repository
) -> None:
    made = bundle(repo)
    made.initialize()
    version, before = made.get_current_version().version, files_below(made.path)
    DAMAGES["packs gone"](made.mirror.path)
    repo.path.rename(repo.path.with_name("gone"))
    with pytest.raises(HostError) as caught:
        made.refresh()
    assert "version in use stays" in caught.value.remedy
    restarted = bundle(repo)
    restarted.initialize()
    assert restarted.get_current_version().version == version and files_below(restarted.path) == before
    repo.path.with_name("gone").rename(repo.path)
    sha = repo.commit({"dags/a.py": "A = 2\n"})
    restarted.refresh()
    assert restarted.get_current_version().version == sha


def test_a_source_that_fails_does_not_cost_a_mirror_that_is_sound(storage: Path, repo: Repository) -> None:
    made = bundle(repo)
    made.initialize()
    inode = made.mirror.path.stat().st_ino
    broken = [path for path in (repo.path / ".git/objects").rglob("*") if path.is_file()]
    repo.commit({"dags/a.py": "A = 2\n"})
    for path in (repo.path / ".git/objects").rglob("*"):
        if path.is_file() and path not in broken:
            cut(path, 3)
    with pytest.raises(HostError):
        made.refresh()
    with pytest.raises(HostError):
        made.materialize("0" * 40)
    assert made.mirror.path.stat().st_ino == inode


def test_a_kill_while_a_mirror_is_made_anew_loses_nothing(storage: Path, repo: Repository) -> None:
    made = bundle(repo)
    made.initialize()
    first = made.get_current_version().version
    assert made.protect([first]) == set()
    repo.git("checkout", "-q", "--orphan", "new")
    last = repo.commit({"dags/a.py": "A = 'rewritten'\n"})
    repo.git("branch", "-M", "new", "main")
    repo.git("reflog", "expire", "--expire=now", "--all")
    repo.git("gc", "-q", "--prune=now")
    sound = storage.with_name("sound")
    shutil.copytree(made.base_dir, sound, symlinks=True)
    for point in range(0, 1000, 7):
        shutil.rmtree(made.base_dir)
        shutil.copytree(sound, made.base_dir, symlinks=True)
        (made.mirror.path / "HEAD").write_bytes(b"")
        killed = killed_at(point, bundle(repo).refresh, below=storage)
        again = bundle(repo)
        again.refresh()
        assert again.get_current_version().version == last
        assert again.mirror.has(first), f"lost after kill {point}"
        if not killed:
            break
    assert 7 < point < 999, "the kills missed the work"


def test_content_that_can_not_be_read_is_fetched_anew_by_a_refresh(storage: Path, repo: Repository) -> None:
    made = bundle(repo)
    made.initialize()
    before, version = files_below(made.path), made.get_current_version().version
    for pack in packs(made.mirror.path):
        moved = pack.rename(storage / pack.name)
        made.mirror.git.run("unpack-objects", "-q", stdin=moved.read_bytes())
        pack.with_suffix(".idx").unlink()
    oid = repo.git("rev-parse", "HEAD:dags/a.py")
    loose = made.mirror.path / "objects" / oid[:2] / oid[2:]
    loose.chmod(0o644)
    loose.write_bytes(b"\0" * 40)
    shutil.rmtree(made.versions_dir)
    made.refresh()
    assert files_below(made.path) == before and made.get_current_version().version == version


def test_the_damaged_mirror_of_a_submodule_is_made_anew(
    storage: Path, repo: Repository, tmp_path: Path
) -> None:
    module = Repository(tmp_path / "module")
    module.commit({"m.py": "M = 1\n"})
    repo.git("submodule", "--quiet", "add", "../module", "vendored")
    repo.commit()
    made = GitBundle(name="code", tracking_ref="main", repo_url=str(repo.path), submodules=True)
    made.initialize()
    before = files_below(made.path)
    (mirror,) = (made.base_dir / "modules").glob("*.git")
    for kind in ("HEAD empty", "config unreadable", "packs scrambled", "objects gone"):
        DAMAGES[kind](mirror)
        shutil.rmtree(made.versions_dir)
        made.refresh()
        assert files_below(made.path) == before, kind


@pytest.mark.parametrize("kind", ["HEAD empty", "packs scrambled", "refs gone", "a ref of ours broken"])
def test_the_damaged_mirror_of_a_folder_is_made_anew(storage: Path, tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()

    def taken() -> FolderBundle:
        found = FolderBundle(name="local", path=str(folder))
        found.settle_seconds = 0.01
        return found

    (folder / "a.py").write_text("A = 1\n")
    made = taken()
    made.initialize()
    first = made.get_current_version().version
    assert made.protect([first]) == set()
    (folder / "a.py").write_text("A = 'second'\n")
    made.refresh()
    (made.mirror.path / "refs/upstream/heads").mkdir(parents=True)
    DAMAGES[kind](made.mirror.path)
    (folder / "a.py").write_text("A = 'third time'\n")
    for bundle in (made, taken()):
        bundle.initialize()
        bundle.refresh()
        assert files_below(bundle.path) == {"a.py": b"A = 'third time'\n"}
    last = made.get_current_version().version
    shutil.rmtree(made.versions_dir)
    taken().initialize()
    lost = kind in ("packs scrambled", "refs gone")
    if lost:
        with pytest.raises(HostError, match="Can not find version"):
            made.materialize(first)
    else:
        assert files_below(made.materialize(first)) == {"a.py": b"A = 1\n"}
    assert made.protect([first, last]) == ({first} if lost else set())
    assert made.mirror.has(last)
