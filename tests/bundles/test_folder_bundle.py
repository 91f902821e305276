"""FolderBundle: any folder has versions, equal content has the same one everywhere, and none is torn."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("airflow")

from harness.bundle_fixtures import DAG, files_below, killed_at, start_python
from harness.bundle_fixtures import folder as folder
from harness.bundle_fixtures import make_folder_bundle as make_folder_bundle
from harness.bundle_fixtures import storage as storage
from pinwheel.airflow3.bundles import folder_scan
from pinwheel.airflow3.bundles.folder import FolderBundle
from pinwheel.core.bundle_version import VersionInfo
from pinwheel.core.errors import HostError
from pinwheel.core.version_alias import is_commit_id, make_aliased_version

MakeBundle = Callable[..., FolderBundle]


def version_of(bundle: FolderBundle) -> str:
    return bundle.get_current_version().version


def test_each_state_of_the_folder_is_a_version(make: MakeBundle, folder: Path) -> None:
    bundle = make()
    bundle.initialize()
    first, first_path = version_of(bundle), bundle.path
    assert is_commit_id(first) and files_below(first_path) == files_below(folder)
    (folder / "a.py").write_text("A = 2\n")
    (folder / "lib/helper.py").unlink()
    (folder / "b.py").write_text("B\n")
    bundle.refresh()
    assert version_of(bundle) != first and files_below(bundle.path) == {"a.py": b"A = 2\n", "b.py": b"B\n"}
    assert files_below(first_path) == {"a.py": b"A = 1\n", "lib/helper.py": b"H = 1\n"}
    assert bundle.version_info(first) == VersionInfo()


def test_equal_content_has_the_same_version_on_every_machine(
    make: MakeBundle, folder: Path, tmp_path: Path
) -> None:
    here, there = make(), make(name="elsewhere", path=str(tmp_path / "copy"))
    shutil.copytree(folder, tmp_path / "copy")
    os.utime(tmp_path / "copy/a.py", (1, 1))
    here.initialize()
    there.initialize()
    assert version_of(here) == version_of(there)


def test_going_back_to_former_content_is_the_former_version(make: MakeBundle, folder: Path) -> None:
    bundle = make()
    bundle.initialize()
    first = version_of(bundle)
    for text in ("A = 2\n", "A = 1\n"):
        (folder / "a.py").write_text(text)
        bundle.refresh()
    assert version_of(bundle) == first


def test_an_idle_folder_is_not_read_again(
    make: MakeBundle, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_scan, "_RACY_NS", 0)
    bundle = make()
    bundle.initialize()
    monkeypatch.setattr("pinwheel.airflow3.bundles.folder.pieces", lambda *_: pytest.fail("it read a file"))
    before = version_of(bundle)
    bundle.refresh()
    make().refresh()
    assert version_of(bundle) == before


def test_only_changed_files_are_read(make: MakeBundle, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_scan, "_RACY_NS", 0)
    bundle = make()
    bundle.initialize()
    (folder / "a.py").write_text("A = 2\n")
    names: list[bytes] = []
    real = folder_scan.pieces
    monkeypatch.setattr(
        "pinwheel.airflow3.bundles.folder.pieces",
        lambda root, path, look: (names.append(path), real(root, path, look))[1],
    )
    bundle.refresh()
    assert names == [b"a.py"] and (bundle.path / "a.py").read_text() == "A = 2\n"


def test_a_change_that_keeps_size_and_mtime_is_seen(make: MakeBundle, folder: Path) -> None:
    bundle = make()
    bundle.initialize()
    facts = (folder / "a.py").stat()
    (folder / "a.py").write_text("A = 7\n")
    os.utime(folder / "a.py", ns=(facts.st_atime_ns, facts.st_mtime_ns))
    bundle.refresh()
    assert (bundle.path / "a.py").read_text() == "A = 7\n"


def test_gits_own_files_and_byte_code_are_no_content_and_gitignore_means_nothing(
    make: MakeBundle, folder: Path
) -> None:
    for name in (".git/config", "lib/.git/HEAD", "__pycache__/a.pyc", "lib/x.pyc"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("x")
    (folder / ".gitignore").write_text("*.py\n")
    (folder / ".gitattributes").write_text("*.py text eol=crlf\n")
    bundle = make()
    bundle.initialize()
    assert set(files_below(bundle.path)) == {".gitignore", ".gitattributes", "a.py", "lib/helper.py"}
    assert set(bundle.manifest(version_of(bundle))) == set(files_below(bundle.path))


@pytest.mark.parametrize("name", [".GIT", ".Git/config"])
def test_a_name_that_some_file_systems_take_for_gits_own_is_no_content(
    make: MakeBundle, folder: Path, name: str
) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("x")
    bundle = make()
    bundle.initialize()
    assert files_below(bundle.path).keys() == {"a.py", "lib/helper.py"}


def test_odd_names_links_and_modes_are_kept(make: MakeBundle, folder: Path) -> None:
    odd = [b"-dash.py", b"new\nline.py", "ümlaut ☃.py".encode(), b'qu"ote\\.py', b"raw\xff.py", b"\t tab"]
    for name in odd:
        with open(os.path.join(os.fsencode(folder), name), "wb") as file:
            file.write(name)
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    (folder / "link").symlink_to("lib/helper.py")
    bundle = make()
    bundle.initialize()
    for name in odd:
        with open(os.path.join(os.fsencode(bundle.path), name), "rb") as file:
            assert file.read() == name
        assert bundle.read_file(version_of(bundle), name.decode("utf-8", "surrogateescape")) == name
    assert (bundle.path / "run.sh").stat().st_mode & 0o111
    assert os.readlink(bundle.path / "link") == "lib/helper.py"


def test_a_link_that_git_sync_swaps_is_followed(make: MakeBundle, folder: Path, tmp_path: Path) -> None:
    link = tmp_path / "current"
    link.symlink_to(folder)
    bundle = make(path=str(link))
    bundle.initialize()
    first = version_of(bundle)
    (tmp_path / "next").mkdir()
    (tmp_path / "next/a.py").write_text("A = 2\n")
    (tmp_path / "swap").symlink_to(tmp_path / "next")
    os.rename(tmp_path / "swap", link)
    shutil.rmtree(folder)
    bundle.refresh()
    assert version_of(bundle) != first and files_below(bundle.path) == {"a.py": b"A = 2\n"}


def test_a_read_only_folder_is_fine(make: MakeBundle, folder: Path) -> None:
    for path in (folder / "a.py", folder / "lib", folder):
        path.chmod(0o555)
    try:
        make().initialize()
    finally:
        folder.chmod(0o755)


@pytest.mark.parametrize(
    ("trouble", "found"),
    [
        ("missing", "does not exist"),
        ("emptied", "it is empty"),
        ("a file", "it is a file"),
        ("dangling", "nowhere"),
    ],
)
def test_a_folder_in_trouble_leaves_the_last_version_in_use(
    make: MakeBundle, folder: Path, trouble: str, found: str
) -> None:
    bundle = make()
    bundle.initialize()
    path, version = bundle.path, version_of(bundle)
    shutil.rmtree(folder)
    if trouble == "emptied":
        folder.mkdir()
    elif trouble == "a file":
        folder.write_text("")
    elif trouble == "dangling":
        folder.symlink_to("nowhere at all")
    with pytest.raises(HostError, match=found) as caught:
        bundle.refresh()
    assert "version in use stays" in caught.value.remedy
    assert (bundle.path, version_of(bundle)) == (path, version)
    restarted = make()
    restarted.initialize()
    assert restarted.path == path


def test_a_folder_that_was_never_there_is_a_clear_error(make: MakeBundle, tmp_path: Path) -> None:
    with pytest.raises(HostError, match="does not exist"):
        make(path=str(tmp_path / "none")).initialize()


def test_an_empty_folder_at_the_start_is_an_empty_version(make: MakeBundle, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    bundle = make(path=str(tmp_path / "empty"))
    bundle.initialize()
    assert bundle.path.is_dir() and files_below(bundle.path) == {}


@pytest.mark.parametrize("change", ["rewrite", "replace", "add", "remove", "swap"])
@pytest.mark.parametrize("moment", ["before", "amidst", "after"])
def test_no_version_mixes_two_states_of_a_folder_that_changes_while_it_is_read(
    make: MakeBundle, folder: Path, monkeypatch: pytest.MonkeyPatch, change: str, moment: str
) -> None:
    """Somebody changes a file and its partner while the second of the two is read, in several ways."""
    link = folder.with_name("current")
    link.symlink_to(folder)
    for name in ("one.py", "two.py"):
        (folder / name).write_text("N = 0\n")
    time.sleep(0.1)
    left, real = [2], folder_scan.pieces

    def interfere() -> None:
        left[0] -= 1
        text = f"N = {2 - left[0]}\n"
        if change == "swap":
            following = folder.with_name(f"next{left[0]}")
            shutil.copytree(link, following)
            for name in ("one.py", "two.py"):
                (following / name).write_text(text)
            folder.with_name("swap").symlink_to(following)
            os.rename(folder.with_name("swap"), link)
            return
        for name in ("one.py", "two.py"):
            if change == "rewrite":
                (folder / name).write_text(text)
            elif change == "replace":
                (folder / "partial").write_text(text)
                os.rename(folder / "partial", folder / name)
            elif change == "add":
                (folder / f"{left[0]}-{name}").write_text(text)
            elif (folder / name).exists():
                (folder / name).unlink()

    def pieces(root: bytes, path: bytes, look: folder_scan.Look) -> Iterator[bytes]:
        mine = path == b"two.py" and left[0] > 0
        if mine and moment == "before":
            interfere()
        for piece in real(root, path, look):
            yield piece
            if mine and moment == "amidst":
                interfere()
        if mine and moment == "after":
            interfere()

    monkeypatch.setattr("pinwheel.airflow3.bundles.folder.pieces", pieces)
    bundle = make(path=str(link))
    bundle.initialize()
    assert files_below(bundle.path) == files_below(link)
    one, two = bundle.path / "one.py", bundle.path / "two.py"
    assert one.exists() == two.exists() == (change != "remove")
    assert change == "remove" or one.read_text() == two.read_text()


def test_a_version_is_taken_only_when_nothing_changed_for_the_settle_time(
    make: MakeBundle, folder: Path
) -> None:
    bundle = make()
    bundle.initialize()
    bundle.settle_seconds = 1.0
    (folder / "a.py").write_text("")
    started = time.time()
    writer = threading.Timer(0.2, (folder / "a.py").write_text, ("A = 'whole'\n",))
    writer.start()
    bundle.refresh()
    writer.join()
    assert (bundle.path / "a.py").read_text() == "A = 'whole'\n" and time.time() - started > 1


def test_a_folder_that_never_rests_keeps_the_former_version(
    make: MakeBundle, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = make()
    bundle.initialize()
    former, number = version_of(bundle), 0

    def scan(root: bytes) -> folder_scan.Look:
        nonlocal number
        number += 1
        (folder / f"copied-{number}.py").write_text("C = 1\n")
        return folder_scan.scan(root)

    monkeypatch.setattr("pinwheel.airflow3.bundles.folder.scan", scan)
    bundle.maximum_tries = 6
    with pytest.raises(HostError, match=r"kept changing for \d+ seconds \(last at 'copied") as caught:
        bundle.refresh()
    assert "version in use stays" in caught.value.remedy
    assert version_of(bundle) == former and number >= 6
    monkeypatch.undo()
    restarted = make()
    restarted.initialize()
    assert (restarted.path / "copied-1.py").exists()


def test_protected_versions_survive_a_removed_folder_gc_and_removed_directories(
    make: MakeBundle, folder: Path
) -> None:
    bundle = make()
    bundle.initialize()
    released, before = version_of(bundle), files_below(bundle.path)
    (folder / "a.py").write_text("A = 2\n")
    bundle.refresh()
    forgotten = version_of(bundle)
    (folder / "a.py").write_text("A = 3\n")
    bundle.refresh()
    assert bundle.protect([released]) == set()
    bundle.mirror.git.run("reflog", "expire", "--expire=now", "--all")
    bundle.mirror.git.run("gc", "--quiet", "--prune=now")
    shutil.rmtree(bundle.versions_dir)
    shutil.rmtree(folder)
    assert not bundle.mirror.has(forgotten) and bundle.mirror.has(version_of(bundle))
    task = make(version=released)
    task.initialize()
    assert files_below(task.path) == before


def test_a_lost_mirror_is_filled_again(make: MakeBundle, folder: Path) -> None:
    bundle = make()
    bundle.initialize()
    version = version_of(bundle)
    shutil.rmtree(bundle.mirror.path)
    shutil.rmtree(bundle.versions_dir)
    again = make()
    again.initialize()
    assert version_of(again) == version and files_below(again.path) == files_below(folder)


def test_workers_get_versions_from_the_mirror_url_or_from_their_own_equal_copy(
    make: MakeBundle, folder: Path, tmp_path: Path
) -> None:
    shared = tmp_path / "shared.git"
    subprocess.run(["git", "init", "-q", "--bare", str(shared)], check=True)
    processor = make(mirror_url=str(shared))
    processor.initialize()
    version, before = version_of(processor), files_below(processor.path)
    assert processor.protect([version]) == set()
    shutil.rmtree(processor.base_dir)
    copy = make(version=version)
    copy.initialize()
    assert files_below(copy.path) == before
    shutil.rmtree(processor.base_dir)
    (folder / "a.py").write_text("A = 'other'\n")
    worker = make(version=version, mirror_url=str(shared))
    worker.initialize()
    assert files_below(worker.path) == before
    shutil.rmtree(processor.base_dir)
    with pytest.raises(HostError, match="mirror_url"):
        make(version=version).initialize()


def test_a_version_in_the_mirror_waits_for_no_scan_of_the_folder(make: MakeBundle, folder: Path) -> None:
    bundle = make()
    bundle.initialize()
    shutil.rmtree(bundle.versions_dir)
    with bundle.mirror.fetching():
        thread = threading.Thread(target=make(version=version_of(bundle)).initialize, daemon=True)
        thread.start()
        thread.join(10)
        assert not thread.is_alive()


def test_processes_that_refresh_at_once_agree(make: MakeBundle, folder: Path) -> None:
    code = (
        "import sys\nfrom pinwheel.airflow3.bundles.folder import FolderBundle\n"
        "b = FolderBundle(name='local', path=sys.argv[1])\nb.initialize()\n"
        "print(b.get_current_version().version)\n"
    )
    for number in range(50):
        (folder / f"f{number}.py").write_text(f"F = {number}\n")
    processes = [start_python(code, str(folder)) for _ in range(4)]
    versions = set()
    for process in processes:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err.decode()
        versions.add(out.strip())
    bundle = make()
    bundle.initialize()
    assert versions == {version_of(bundle).encode()} and files_below(bundle.path) == files_below(folder)


def test_a_kill_at_any_moment_of_a_refresh_leaves_only_whole_versions(
    make: MakeBundle, folder: Path, storage: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FolderBundle, "settle_seconds", 0.005)
    for point in range(1000):
        if point % 4 == 0:
            shutil.rmtree(make().base_dir, ignore_errors=True)
        (folder / "a.py").write_text(f"A = {point}\n")
        killed = killed_at(point, make().initialize, below=storage)
        bundle = make()
        bundle.initialize()
        assert files_below(bundle.path) == files_below(folder), f"torn after kill {point}"
        assert list((bundle.base_dir / "tmp").iterdir()) == []
        if not killed:
            break
    assert 20 < point < 999, "the kills missed the work"


def test_airflow_finds_the_dag_of_a_moved_file_under_its_old_path(make: MakeBundle, folder: Path) -> None:
    from airflow.dag_processing.dagbag import BundleDagBag

    (folder / "new.py").write_text(DAG.format(dag_id="moved", value=1))
    bundle = make()
    bundle.initialize()
    aliased = make(version=make_aliased_version(version_of(bundle), {"gone/old.py": "new.py"}))
    aliased.initialize()
    bag = BundleDagBag(
        dag_folder=str(aliased.path / "gone/old.py"), bundle_path=aliased.path, bundle_name=aliased.name
    )
    assert bag.import_errors == {} and set(bag.dags) == {"moved"}


def test_the_public_names_import_quickly_and_say_what_an_old_airflow_lacks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import importlib.metadata

    import pinwheel.bundles

    code = "import sys, pinwheel.bundles\nassert not [n for n in sys.modules if n.split('.')[0] == 'airflow']"
    process = start_python(code)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err.decode()
    assert pinwheel.bundles.FolderBundle is FolderBundle
    monkeypatch.setattr(importlib.metadata, "version", lambda _: "3.2.2")
    with pytest.raises(ImportError, match=r"needs Apache Airflow 3\.3 or newer: found 3\.2\.2"):
        _ = pinwheel.bundles.GitBundle
