"""FolderBundle: what is always written holds back nothing else, and what is being copied is waited for."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("airflow")

from harness.bundle_fixtures import files_below
from harness.bundle_fixtures import folder as folder
from harness.bundle_fixtures import make_folder_bundle as make_folder_bundle
from harness.bundle_fixtures import storage as storage
from pinwheel.airflow3.bundles.folder import FolderBundle
from pinwheel.core.errors import HostError

MakeBundle = Callable[..., FolderBundle]


def version_of(bundle: FolderBundle) -> str:
    return bundle.get_current_version().version


def reasons(bundle: FolderBundle) -> dict[str, str]:
    return {one.path: one.reason for one in bundle.left_out(version_of(bundle))}


def in_place(file: Path) -> None:
    file.write_text(f"{time.time_ns()}\n")


def appended(file: Path) -> None:
    with file.open("a") as log:
        log.write("line\n")


def renamed(file: Path) -> None:
    file.with_name("writing").write_text(f"{time.time_ns()}\n")
    os.rename(file.with_name("writing"), file)


@contextmanager
def kept_writing(write: Callable[[], object]) -> Iterator[None]:
    began, stop = threading.Event(), threading.Event()

    def work() -> None:
        while not stop.wait(0.01):
            write()
            began.set()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        assert began.wait(60)
        yield
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize(
    ("way", "before"),
    [(in_place, True), (appended, True), (renamed, True), (in_place, False)],
    ids=["in place", "appended", "renamed", "in place, new"],
)
def test_a_file_that_is_written_all_the_time_holds_back_no_other(
    make: MakeBundle, folder: Path, way: Callable[[Path], None], before: bool
) -> None:
    busy = folder / "heartbeat.log"
    if before:
        busy.write_text("former\n")
    bundle = make()
    bundle.initialize()
    # The writer may stand still for a while on a machine with much to do: not for as long as this.
    bundle.settle_seconds, bundle.maximum_tries = 0.3, 60
    with kept_writing(lambda: way(busy)):
        (folder / "new.py").write_text("N = 1\n")
        bundle.refresh()
        assert (bundle.path / "new.py").read_text() == "N = 1\n"
        expected = {"heartbeat.log": b"former\n"} if before else {}
        assert {k: v for k, v in files_below(bundle.path).items() if k == "heartbeat.log"} == expected
        assert reasons(bundle) == {
            "heartbeat.log": "it is written all the time" + ("; it stays as it was" if before else "")
        }
        version = version_of(bundle)
        bundle.refresh()
        assert version_of(bundle) == version, "its changes alone make no version"
        (folder / "a.py").write_text("A = 2\n")
        bundle.refresh()
        assert (bundle.path / "a.py").read_text() == "A = 2\n"
    last = busy.read_text()
    time.sleep(0.4)
    bundle.refresh()
    assert (bundle.path / "heartbeat.log").read_text() == last and reasons(bundle) == {}


def test_beside_a_busy_file_a_file_that_is_being_copied_is_waited_for(make: MakeBundle, folder: Path) -> None:
    bundle = make()
    bundle.initialize()
    bundle.settle_seconds, bundle.maximum_tries = 0.2, 60
    copied = threading.Event()

    def copy() -> None:
        for number in range(12):
            (folder / f"copied{number:02}.py").write_text(f"C = {number}\n")
            time.sleep(0.15)
        copied.set()

    with kept_writing(lambda: in_place(folder / "heartbeat.log")):
        thread = threading.Thread(target=copy)
        thread.start()
        bundle.refresh()
        assert copied.wait(0), "a state in the middle of the copy was taken"
        thread.join()
    assert len(list(bundle.path.glob("copied*.py"))) == 12


def test_a_folder_that_never_rests_is_taken_without_what_moves_after_a_while(
    make: MakeBundle, folder: Path
) -> None:
    bundle = make()
    bundle.initialize()
    bundle.settle_seconds, bundle.maximum_tries = 0.1, 10
    (folder / "results").mkdir()
    (folder / "new.py").write_text("N = 1\n")
    time.sleep(0.2)
    with kept_writing(lambda: (folder / f"results/{time.time_ns()}.json").write_text("{}")):
        with pytest.raises(HostError, match="kept changing"):
            bundle.refresh()
        bundle._unrest.patience_seconds = 0.01
        bundle.refresh()
        assert (bundle.path / "new.py").exists()
        assert any(path.startswith("results/") for path in reasons(bundle))
