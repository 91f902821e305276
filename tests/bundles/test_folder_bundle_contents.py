"""FolderBundle: what of a folder is left out and named, what is not waited for, and what sizes cost."""

from __future__ import annotations

import json
import logging
import os
import shutil
import socket
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("airflow")

from harness.bundle_fixtures import DAG, files_below
from harness.bundle_fixtures import folder as folder
from harness.bundle_fixtures import make_folder_bundle as make_folder_bundle
from harness.bundle_fixtures import storage as storage
from pinwheel.airflow3.bundles import folder_scan
from pinwheel.airflow3.bundles.folder import FolderBundle
from pinwheel.airflow3.bundles.git_command import PIECE
from pinwheel.core.errors import RefusedVersion

MakeBundle = Callable[..., FolderBundle]


def version_of(bundle: FolderBundle) -> str:
    return bundle.get_current_version().version


def reasons(bundle: FolderBundle) -> dict[str, str]:
    return {one.path: one.reason for one in bundle.left_out(version_of(bundle))}


# -- links ------------------------------------------------------------------------------------------------


def test_links_that_leave_the_folder_are_left_out_and_named(
    make: MakeBundle, folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "common").mkdir()
    (tmp_path / "common/x.py").write_text("X = 1\n")
    out = {
        "common": "../common",
        "ablib": str(tmp_path / "common"),
        "x.py": str(tmp_path / "common/x.py"),
        "lib/through.py": "../x.py",
        "lost.py": "../nowhere.py",
        "circle": "round",
        "round": "circle",
    }
    for path, target in out.items():
        (folder / path).symlink_to(target)
    bundle = make()
    with caplog.at_level(logging.WARNING):
        bundle.initialize()
    assert set(files_below(bundle.path)) == {"a.py", "lib/helper.py"}
    assert not any(os.path.lexists(bundle.path / path) for path in out)
    assert reasons(bundle).keys() == out.keys()
    assert str(tmp_path / "common") in reasons(bundle)["ablib"] and "circle" in reasons(bundle)["circle"]
    assert "'ablib'" in caplog.text and "'lost.py'" in caplog.text
    caplog.clear()
    bundle.refresh()
    assert caplog.text == "", "told once"
    restarted = make()
    restarted.initialize()
    assert reasons(restarted).keys() == out.keys(), "the content is the same, and so is what it lacks"
    for path in out:
        (folder / path).unlink()
    restarted.refresh()
    assert reasons(restarted) == {} and version_of(restarted) == version_of(bundle)


def test_a_link_that_takes_a_way_outside_to_a_place_inside_stays_inside(
    make: MakeBundle, folder: Path, tmp_path: Path
) -> None:
    named = tmp_path / "named"
    named.symlink_to(folder)
    (folder / "absolute.py").symlink_to(folder / "lib/helper.py")
    (folder / "lib/around.py").symlink_to("../../dags/a.py")
    (folder / "lib/by-name.py").symlink_to(named / "a.py")
    (folder / "next.py").symlink_to("absolute.py")
    (folder / "nothing.py").symlink_to("lib/nothing.py")
    bundle = make(path=str(named))
    bundle.initialize()
    links = {
        str(path.relative_to(bundle.path)): os.readlink(path)
        for path in bundle.path.rglob("*")
        if path.is_symlink()
    }
    assert links == {
        "absolute.py": "lib/helper.py",
        "lib/around.py": "../a.py",
        "lib/by-name.py": "../a.py",
        "next.py": "absolute.py",
        "nothing.py": "lib/nothing.py",
    }
    before = (bundle.path / "absolute.py").read_text()
    (folder / "lib/helper.py").write_text("H = 2\n")
    assert (bundle.path / "absolute.py").read_text() == before
    assert reasons(bundle) == {}


# -- Kubernetes -------------------------------------------------------------------------------------------


def kubernetes_writes(volume: Path, files: dict[str, str]) -> None:
    """As the kubelet's atomic writer does (pkg/volume/util/atomic_writer.go)."""
    volume.mkdir(parents=True, exist_ok=True)
    former = os.readlink(volume / "..data") if (volume / "..data").is_symlink() else None
    stamped = volume / f"..2026_01_01_{time.time_ns()}"
    for path, text in files.items():
        (stamped / path).parent.mkdir(parents=True, exist_ok=True)
        (stamped / path).write_text(text)
    (volume / "..data_tmp").symlink_to(stamped.name)
    os.rename(volume / "..data_tmp", volume / "..data")
    names = {path.split("/")[0] for path in files}
    for name in names:
        if not (volume / name).is_symlink():
            (volume / name).symlink_to(f"..data/{name}")
    for entry in volume.iterdir():
        if entry.is_symlink() and entry.name not in names and entry.name != "..data":
            entry.unlink()
    if former is not None:
        shutil.rmtree(volume / former)


@pytest.mark.parametrize("below", ["", "mounted"])
def test_a_volume_is_read_as_kubernetes_lays_it_out(make: MakeBundle, tmp_path: Path, below: str) -> None:
    from airflow.dag_processing.dagbag import BundleDagBag

    root = tmp_path / "volume"
    volume = root / below
    first = {"dag.py": DAG.format(dag_id="k", value=1), "sub/helper.py": "H = 1\n", "conf.yaml": "a: 1\n"}
    kubernetes_writes(volume, first)
    bundle = make(path=str(root))
    bundle.initialize()

    def expected(files: dict[str, str]) -> dict[str, bytes]:
        return {os.path.join(below, path): text.encode() for path, text in files.items()}

    assert files_below(bundle.path) == expected(first) and reasons(bundle) == {}
    assert not [path for path in bundle.path.rglob("*") if path.name.startswith("..") or path.is_symlink()]
    with pytest.raises(RuntimeError, match="recursive loop"):
        BundleDagBag(dag_folder=root, bundle_path=root, bundle_name=bundle.name)
    bag = BundleDagBag(dag_folder=bundle.path, bundle_path=bundle.path, bundle_name=bundle.name)
    assert (set(bag.dags), bag.import_errors) == ({"k"}, {})
    before = version_of(bundle)
    kubernetes_writes(volume, first)
    bundle.refresh()
    assert version_of(bundle) == before, "another stamp, the same content"
    second = {"dag.py": DAG.format(dag_id="k", value=2), "new.py": "N = 1\n"}
    kubernetes_writes(volume, second)
    bundle.refresh()
    assert files_below(bundle.path) == expected(second)


def test_no_version_mixes_two_states_of_a_kubernetes_volume(
    make: MakeBundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    volume = tmp_path / "volume"
    kubernetes_writes(volume, {"one.py": "N = 0\n", "two.py": "N = 0\n"})
    left, real = [2], folder_scan.pieces

    def pieces(root: bytes, path: bytes, look: folder_scan.Look) -> Iterator[bytes]:
        if path == b"two.py" and left[0]:
            left[0] -= 1
            kubernetes_writes(volume, {"one.py": f"N = {2 - left[0]}\n", "two.py": f"N = {2 - left[0]}\n"})
        yield from real(root, path, look)

    monkeypatch.setattr("pinwheel.airflow3.bundles.folder.pieces", pieces)
    bundle = make(path=str(volume))
    bundle.initialize()
    assert files_below(bundle.path) == {"one.py": b"N = 2\n", "two.py": b"N = 2\n"}


# -- entries that can not be read -------------------------------------------------------------------------


def as_nobody(storage: Path, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What *work* returns in a forked process of an ordinary user."""
    storage.mkdir(exist_ok=True)
    for path in (storage, *storage.rglob("*")):
        os.chown(path, 65534, 65534)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        result: dict[str, Any] = {}
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            result = work()
        except BaseException as error:
            result = {"error": f"{type(error).__name__}: {error}"}
        os.write(write, json.dumps(result).encode())
        os._exit(0)
    os.close(write)
    with open(read, "rb") as answer:
        found: dict[str, Any] = json.loads(answer.read())
    os.waitpid(child, 0)
    return found


@pytest.fixture
def for_everybody(tmp_path: Path) -> None:
    for path in (tmp_path, *tmp_path.parents):
        if path != Path("/tmp") and path.is_relative_to("/tmp"):
            path.chmod(path.stat().st_mode | 0o711)


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user, which only root can")
@pytest.mark.usefixtures("for_everybody")
def test_what_may_not_be_read_is_left_out_and_named_and_the_rest_is_taken(
    make: MakeBundle, folder: Path, storage: Path
) -> None:
    for name, mode in (("lost+found", 0o700), (".snapshot", 0o000), ("listed", 0o744)):
        (folder / name).mkdir()
        (folder / name / "x.py").write_text("X = 1\n")
        (folder / name).chmod(mode)
    (folder / "secret.py").write_text("S = 1\n")
    (folder / "secret.py").chmod(0o600)

    def work() -> dict[str, Any]:
        bundle = make()
        bundle.initialize()
        first = sorted(files_below(bundle.path)), reasons(bundle), version_of(bundle)
        (storage / "again").touch()
        bundle.refresh()
        return {
            "first": first,
            "again": (sorted(files_below(bundle.path)), reasons(bundle), version_of(bundle)),
        }

    found = as_nobody(storage, work)
    files, left_out, _ = found["first"]
    assert found["again"] == found["first"]
    assert files == ["a.py", "lib/helper.py"]
    assert left_out.keys() == {"lost+found", ".snapshot", "listed/x.py", "secret.py"}
    assert set(left_out.values()) == {"it can not be read (Permission denied)"}
    (folder / "secret.py").chmod(0o644)
    (folder / "a.py").chmod(0o600)
    files, left_out, _ = as_nobody(storage, work)["first"]
    assert files == ["lib/helper.py", "secret.py"] and "a.py" in left_out and "secret.py" not in left_out


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user, which only root can")
@pytest.mark.usefixtures("for_everybody")
def test_a_folder_that_may_not_be_read_at_all_leaves_the_last_version_in_use(
    make: MakeBundle, folder: Path, storage: Path
) -> None:
    def work() -> dict[str, Any]:
        bundle = make()
        bundle.initialize()
        return {"files": sorted(files_below(bundle.path))}

    before = as_nobody(storage, work)
    folder.chmod(0o700)
    assert as_nobody(storage, work) == before == {"files": ["a.py", "lib/helper.py"]}
    shutil.rmtree(storage)
    assert "Permission denied" in as_nobody(storage, work)["error"]


def test_what_is_no_file_is_left_out_and_named(make: MakeBundle, folder: Path) -> None:
    os.mkfifo(folder / "pipe.py")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / "s.sock"))
        bundle = make()
        bundle.initialize()
    assert set(files_below(bundle.path)) == {"a.py", "lib/helper.py"}
    assert reasons(bundle) == {"pipe.py": "a pipe", "s.sock": "a socket"}


def test_a_name_that_is_not_utf_8_survives_in_files_and_among_what_is_left_out(
    make: MakeBundle, folder: Path
) -> None:
    raw = os.fsencode(folder)
    with open(raw + b"/d\xe9.csv", "wb") as file:
        file.write(b"1")
    os.symlink(b"../o\xfft", raw + b"/l\xe9nk")
    bundle = make()
    bundle.initialize()
    assert os.path.exists(os.fsencode(bundle.path) + b"/d\xe9.csv")
    assert reasons(bundle).keys() == {"l\udce9nk"} and r"\udcff" in reasons(bundle)["l\udce9nk"]


def test_folders_deeper_than_python_can_remove_are_left_out_and_named(
    make: MakeBundle, folder: Path, tmp_path: Path
) -> None:
    deep = folder / ("d/" * 250)
    deep.mkdir(parents=True)
    (deep / "x.py").write_text("X = 1\n")
    bundle = make()
    bundle.initialize()
    assert "x.py" not in str(files_below(bundle.path)) and (bundle.path / "a.py").exists()
    assert "more than 200 folders deep" in " ".join(reasons(bundle).values())


def test_a_file_that_fails_to_be_read_keeps_its_former_content(
    make: MakeBundle, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = make()
    bundle.initialize()
    real = folder_scan.pieces

    def pieces(root: bytes, path: bytes, look: folder_scan.Look) -> Iterator[bytes]:
        if path in (b"a.py", b"new.bin"):
            yield b"A"
            raise folder_scan.Unreadable(OSError(5, "Input/output error"))
        yield from real(root, path, look)

    monkeypatch.setattr("pinwheel.airflow3.bundles.folder.pieces", pieces)
    for path in ("a.py", "new.bin", "b.py"):
        (folder / path).write_text("changed\n")
    bundle.refresh()
    assert set(files_below(bundle.path)) == {"a.py", "b.py", "lib/helper.py"}
    assert (bundle.path / "a.py").read_text() == "A = 1\n"
    assert reasons(bundle) == {
        "a.py": "it can not be read (Input/output error); it stays as it was",
        "new.bin": "it can not be read (Input/output error)",
    }
    monkeypatch.undo()
    bundle.refresh()
    assert (bundle.path / "a.py").read_text() == "changed\n" and reasons(bundle) == {}


def test_a_file_that_vanishes_while_the_folder_is_looked_at_is_not_there(
    make: MakeBundle, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "temporary").write_text("")
    real = os.scandir

    @contextmanager
    def scandir(path: bytes) -> Iterator[list[os.DirEntry[bytes]]]:
        with real(path) as entries:
            found = list(entries)
        (folder / "temporary").unlink(missing_ok=True)
        yield found

    monkeypatch.setattr(os, "scandir", lambda at: scandir(at) if isinstance(at, bytes) else real(at))
    bundle = make()
    bundle.initialize()
    monkeypatch.undo()
    assert set(files_below(bundle.path)) == {"a.py", "lib/helper.py"}


# -- sizes ------------------------------------------------------------------------------------------------


def test_a_folder_over_a_limit_is_refused_with_the_reason_before_anything_is_read(
    make: MakeBundle, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = make()
    bundle.initialize()
    good = bundle.path
    with open(folder / "big.bin", "wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(RefusedVersion, match=r"'big.bin' has 1,099,511,627,776 bytes") as caught:
        bundle.refresh()
    assert (caught.value.bundle_name, caught.value.version) == ("local", None)
    assert "bundle_max_file_bytes" in caught.value.remedy and bundle.path == good
    restarted = make()
    restarted.initialize()
    assert restarted.path == good
    os.truncate(folder / "big.bin", 5000)
    for option, limit in (("FILES", "2"), ("BYTES", "5000")):
        with monkeypatch.context() as configured, pytest.raises(RefusedVersion, match=r"at most|more than"):
            configured.setenv(f"AIRFLOW__PINWHEEL__BUNDLE_MAX_{option}", limit)
            bundle.refresh()
    bundle.refresh()
    assert (bundle.path / "big.bin").stat().st_size == 5000


def test_a_large_file_of_a_folder_is_never_in_memory_as_a_whole(make: MakeBundle, folder: Path) -> None:
    content = os.urandom(PIECE) * 20 + b"end"
    (folder / "large.bin").write_bytes(content)
    bundle = make()
    tracemalloc.start()
    try:
        bundle.initialize()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * PIECE and (bundle.path / "large.bin").read_bytes() == content


def test_a_try_that_came_to_nothing_is_not_read_again(
    make: MakeBundle, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_scan, "_RACY_NS", 0)
    names: list[bytes] = []
    real = folder_scan.pieces

    def pieces(root: bytes, path: bytes, look: folder_scan.Look) -> Iterator[bytes]:
        names.append(path)
        if len(names) == 2:
            (folder / "late.py").write_text("L = 1\n")
        yield from real(root, path, look)

    monkeypatch.setattr("pinwheel.airflow3.bundles.folder.pieces", pieces)
    bundle = make()
    bundle.initialize()
    assert names == [b"a.py", b"lib/helper.py", b"late.py"]
    assert set(files_below(bundle.path)) == {"a.py", "lib/helper.py", "late.py"}
