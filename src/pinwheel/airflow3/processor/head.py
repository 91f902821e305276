"""The newest version of each bundle, as the Dag processor's loop sees it: prepared whole, then shown at once.

Airflow guards ``initialize()`` and ``refresh()`` of a bundle, and nothing that it asks afterwards
(``dag_processing/manager.py``, ``_refresh_dag_bundles``). So whatever can fail happens in there.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Protocol

import structlog
from airflow.dag_processing.bundles.base import BaseDagBundle, BundleVersion, unpack_bundle_version
from airflow.dag_processing.bundles.manager import DagBundlesManager
from attrs import evolve, field, frozen

from pinwheel.airflow3.bundles.versioned import SnapshotBundle
from pinwheel.airflow3.parsing.paths import remember_repository
from pinwheel.airflow3.processor.errands import Errands, Unfinished
from pinwheel.core.errors import HostError, RefusedVersion
from pinwheel.core.parse.declared import NOTHING, Declared
from pinwheel.core.parse.facts import BESIDE
from pinwheel.core.parse.inputs import tree_id
from pinwheel.core.text import storable

log = structlog.get_logger(__name__)

WAIT = 5.0
"""Seconds that the loop waits for a fetch that it began: nearly all end within, so one turn does it all."""
WAIT_FOR_MIRROR = 2.0
"""Seconds that a new version waits for the shared mirror, of one that has answered so far."""
TELL_AFTER = 30.0
"""Seconds after which a fetch is told as a fault: git gives a silent web server as long."""
LARGEST_IGNORE_FILE = 250_000
"""Bytes of an ``.airflowignore`` file. Airflow makes a regular expression of each line, folder by folder: one
of two million characters takes minutes, in which the bundle's newest version is waited for."""
_NEWEST, _LAST_GOOD, _MIRROR = "newest", "last good", "mirror"


@frozen(kw_only=True)
class Head:
    """The newest version of one bundle, lying in a directory that never changes."""

    bundle_name: str
    version: str
    seq: int
    path: Path
    manifest: Mapping[str, str]
    """Each file to its content id."""
    declared: Declared = NOTHING
    """The declared inputs in force."""
    changed: Collection[str] = field(default=(), repr=False)
    """Paths in which it differs from the head before, as far as this processor took both in."""

    @cached_property
    def tree(self) -> str:
        """Of all its files; empty: they are not known."""
        return tree_id(self.manifest)


@frozen(kw_only=True)
class Prepared:
    """One bundle version, ready to be handed out: nothing of it can fail any more."""

    version: str | None
    """None for a bundle that keeps no versions."""
    version_data: Any
    path: Path
    files: Any
    """As Airflow's own listing gives them: paths in 3.3, ``DagFileInfo`` in 3.4."""
    manifest: Mapping[str, str]
    source: BaseDagBundle
    """Holds the version against Airflow's clean-up."""
    about: Mapping[str, Any] = field(factory=dict)
    """Author, message, time and label of the version, what was left out of it, and who changed what since the
    one before."""
    passed_over: Sequence[str] = ()
    """Dag files of an unversioned bundle that can not be parsed."""


class Desk(Protocol):
    """What a view tells the processor, and asks of it. Threads call the first four."""

    def seq_before(self, bundle_name: str) -> int:
        """Seq of the bundle's head, read before it is fetched: what is fetched then is at least as new."""

    def head_version(self, bundle_name: str) -> str | None:
        """The version last taken in, by any processor."""

    def version_data(self, bundle_name: str, version: str) -> Any:
        """What the bundle's class gave with a version that was taken in; None: nothing."""

    def list_files(self, bundle: BaseDagBundle) -> Any:
        """The Dag files below the bundle's path, as Airflow finds them."""

    def heartbeat(self) -> None:
        """Say that the processor lives, while a fetch is waited for."""

    def take(self, bundle_name: str, prepared: Prepared, expected_seq: int) -> bool:
        """Make a version the bundle's head and plan its parses. False: another processor was faster."""

    def refresh_failed(self, bundle_name: str, error: Exception) -> None:
        """Record why the newest version is not taken."""

    def refresh_worked(self, bundle_name: str) -> None:
        """Take that back."""

    def passed_over(self, bundle_name: str, paths: Sequence[str]) -> None:
        """Show that these Dag files of an unversioned bundle can not be parsed; none: take that back."""


class HeadView(BaseDagBundle):
    """A configured bundle as the processor's loop sees it: each answer is ready beforehand.

    ``refresh()`` fetches, makes the version's own directory (also of a class that is not ours and parses from
    a working tree that a refresh changes in place), lists its Dag files and plans their parses; only then the
    answers change, all at once. Where any of that fails the last good version stays and the reason is
    recorded; a version that is refused is not looked into again.

    All that may wait for the bundle's source happens in a thread of its own, which the loop waits for only as
    long as most take (:data:`WAIT`); a later ``refresh()`` takes what it found. So a source that never
    answers, or one that a commit of its own names (a submodule), holds up no other bundle.
    """

    def __init__(self, inner: BaseDagBundle, desk: Desk) -> None:
        # Airflow's loop compares it outside of any guard: what is no number is refused here, with the bundle.
        super().__init__(name=inner.name, refresh_interval=int(inner.refresh_interval))
        self.supports_versioning = inner.supports_versioning
        self.inner = inner
        self._desk = desk
        self._errands = Errands(wait=WAIT, meanwhile=desk.heartbeat)
        self._sending = Errands(wait=WAIT_FOR_MIRROR)
        self._shown: Prepared | None = None
        self._refused: RefusedVersion | None = None

    def initialize(self) -> None:
        """Nothing that can fail or take time: Airflow's loop refreshes what it has initialized."""
        super().initialize()

    def refresh(self) -> None:
        """Take over the newest content. On any failure the version in use stays.

        Raises what failed, for Airflow to log and to try again; of a refused version, and of a fetch that has
        not taken long so far, only while there is nothing to show instead.
        """
        error: Exception
        try:
            self._take_newest()
        except Unfinished as unfinished:
            error = self._overdue(unfinished.seconds)
            tell = again = unfinished.seconds >= TELL_AFTER
        except Exception as caught:
            error, tell, again = caught, True, not isinstance(caught, RefusedVersion)
        else:
            self._desk.refresh_worked(self.name)
            return
        if tell:
            self._desk.refresh_failed(self.name, error)
        if again if self._shown is not None else not self._show_last_good():
            raise error

    @property
    def wants_a_look(self) -> bool:
        """Whether ``refresh()`` has something to do before its time has come round."""
        return self._errands.has_ended(_NEWEST) or self._errands.seconds(_NEWEST) >= TELL_AFTER

    @property
    def path(self) -> Path:
        return self._shown.path if self._shown is not None else self.inner.path

    def get_current_version(self) -> BundleVersion | None:
        if not self.supports_versioning:
            return None
        if self._shown is None or self._shown.version is None:
            return BundleVersion(version="")
        return BundleVersion(version=self._shown.version, data=self._shown.version_data)

    def view_url_template(self) -> str | None:
        template: str | None = self.inner.view_url_template()
        return template

    @property
    def files(self) -> Any:
        """The Dag files of the version that is shown."""
        return self._shown.files if self._shown is not None else []

    # -- inside -------------------------------------------------------------------------------------------

    def _take_newest(self) -> None:
        for _ in range(3):
            expected_seq, prepared = self._errands.ask(_NEWEST, self._newest)
            if prepared is None or self._shows(prepared.version):
                return
            if not self.supports_versioning:
                self._desk.passed_over(self.name, prepared.passed_over)
                self._shown = prepared
                return
            if self._desk.take(self.name, prepared, expected_seq):
                self._shown, self._refused = prepared, None
                return
        raise HostError(
            f"Can not take the newest version of bundle {self.name!r}",
            found="other Dag processors moved the bundle on, three times in a row",
            remedy="Nothing: it is tried again",
        )

    def _show_last_good(self) -> bool:
        """Hand out the version that was taken in last, if it can be had. Never raises."""
        if not self.supports_versioning:
            return False
        try:
            expected_seq, prepared = self._errands.ask(_LAST_GOOD, self._last_good)
            if prepared is None or not self._desk.take(self.name, prepared, expected_seq):
                return False
        except Unfinished:
            return False
        except Exception:
            log.warning("The version last taken in can not be had", bundle=self.name, exc_info=True)
            return False
        self._shown = prepared
        return True

    def _shows(self, version: str | None) -> bool:
        return version is not None and self._shown is not None and self._shown.version == version

    def _overdue(self, seconds: float) -> HostError:
        busy = getattr(self.inner, "busy_with", None) or "fetching it"
        return HostError(
            f"Can not refresh bundle {self.name!r} yet",
            found=f"{busy} has taken {seconds:.0f} seconds so far",
            remedy="The version in use stays, and the newest is taken when that ends. "
            "Look whether what is fetched answers",
        )

    # -- in a thread --------------------------------------------------------------------------------------

    def _newest(self) -> tuple[int, Prepared | None]:
        """The newest version, ready to be shown, and what is to be the head's seq then; None for no news."""
        expected_seq = self._desk.seq_before(self.name) if self.supports_versioning else 0
        if not self.inner.is_initialized:
            self.inner.initialize()
        self.inner.refresh()
        if not self.supports_versioning:
            return expected_seq, self._prepare_unversioned()
        version, data = unpack_bundle_version(self.inner.get_current_version(), self.inner)
        if self._shows(version):
            return expected_seq, None
        if self._refused is not None and self._refused.version == version:
            raise self._refused.with_traceback(None)
        try:
            prepared = self._prepare(version, data)
        except RefusedVersion as error:
            self._refused = error
            raise
        # After its seq was read: where another processor moves it on in between, this one is not taken
        before = self._desk.head_version(self.name)
        if prepared.version != before:
            known = _contributors(prepared.source, before, prepared.version or version)
            prepared = evolve(prepared, about={**prepared.about, "contributors": known})
        if isinstance(prepared.source, SnapshotBundle) and prepared.source.mirror_url:
            self._send(prepared.source, prepared.version or version)
        return expected_seq, prepared

    def _send(self, source: SnapshotBundle, version: str) -> None:
        """Before any run can start on it a version is at the shared mirror, as long as that answers.

        One that does not costs a moment once: what could not be sent is sent later, with what is protected.
        """
        if self._sending.has_ended(_MIRROR):
            with contextlib.suppress(Exception):
                self._sending.ask(_MIRROR, lambda: None)
        try:
            self._sending.ask(_MIRROR, partial(source.send, version))
        except Unfinished:
            log.warning("The shared mirror takes long; the version is sent later", bundle=self.name)
        except Exception:
            log.warning("The version can not be sent to the shared mirror", bundle=self.name, exc_info=True)

    def _last_good(self) -> tuple[int, Prepared | None]:
        expected_seq = self._desk.seq_before(self.name)
        version = self._desk.head_version(self.name)
        if version is None:
            return expected_seq, None
        return expected_seq, self._prepare(version, self._desk.version_data(self.name, version))

    def _prepare(self, version: str | None, data: Any) -> Prepared:
        assert version is not None
        source = DagBundlesManager().get_bundle(self.name, version=version)
        if data is not None and hasattr(source, "version_data"):
            source.version_data = data
        source.initialize()
        manifest = manifest_of(source, version)
        if isinstance(source, SnapshotBundle):
            remember_repository(str(source.path), str(source.repository_path))
        if why := _endless_to_list(source.path, manifest):
            raise RefusedVersion.of(self.name, version, why)
        try:
            files = self._desk.list_files(source)
        except (OSError, MemoryError):
            raise
        except Exception as error:
            raise RefusedVersion.of(self.name, version, _unlistable(source.path, manifest, error)) from error
        odd = sorted(path for path in map(_path_of, files) if not _is_utf8(path))
        if odd:
            raise RefusedVersion.of(self.name, version, f"the name of a Dag file is not UTF-8: {odd[0]!r}")
        return Prepared(
            version=version,
            version_data=data,
            path=source.path,
            files=files,
            manifest=manifest,
            source=source,
            about=_about(source, version),
        )

    def _prepare_unversioned(self) -> Prepared:
        files = self._desk.list_files(self.inner)
        # A parser's request can not name such a file: it would end the process (stock's own does).
        odd = sorted(path for path in map(_path_of, files) if not _is_utf8(path))
        return Prepared(
            version=None,
            version_data=None,
            path=self.inner.path,
            files=type(files)(file for file in files if _is_utf8(_path_of(file))),
            manifest={},
            source=self.inner,
            passed_over=odd,
        )


def _path_of(file: Any) -> str:
    return str(getattr(file, "rel_path", file))


def _is_utf8(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _endless_to_list(root: Path, manifest: Mapping[str, str]) -> str | None:
    """Why Airflow's own listing of Dag files would take for ever; None: it does not."""
    for path in _ignore_files(manifest):
        try:
            size = (root / path).stat().st_size
        except OSError:
            continue
        if size > LARGEST_IGNORE_FILE:
            return f"{path} has {size:,} bytes, and can have {LARGEST_IGNORE_FILE:,}"
    return None


def _ignore_files(manifest: Mapping[str, str]) -> list[str]:
    return sorted(
        path
        for path in manifest
        if path.rpartition("/")[2] == ".airflowignore" and not path.startswith(BESIDE)
    )


def _unlistable(root: Path, manifest: Mapping[str, str], error: Exception) -> str:
    """Why Airflow's own listing of Dag files fails, in words that name the file where that can be found."""
    if isinstance(error, UnicodeDecodeError):
        for path in _ignore_files(manifest):
            try:
                (root / path).read_text(encoding="utf-8")
            except UnicodeDecodeError:
                return f"{path} is not UTF-8: {error.reason} at byte {error.start}"
            except OSError:
                continue
    if "recursive loop" in str(error):
        twice = str(error).rpartition(": ")[2].removesuffix(" has appeared more than once.")
        folder = os.path.relpath(twice, root.resolve())
        return f"the folder {folder!r} is reached twice by links, which Airflow takes for an endless loop"
    return f"its Dag files can not be listed: {type(error).__name__}: {error}"


def about_version(bundle: BaseDagBundle, version: str) -> dict[str, Any]:
    """Author, message, committed_at and label of a version; nothing of a class that does not know."""
    if not isinstance(bundle, SnapshotBundle):
        return {}
    about = bundle.version_info(version)
    return {
        "author": about.author,
        "message": about.message,
        "committed_at": about.committed_at,
        "label": about.label,
    }


def _about(bundle: BaseDagBundle, version: str) -> dict[str, Any]:
    if not isinstance(bundle, SnapshotBundle):
        return {}
    left_out = [
        {"path": storable(left.path), "reason": storable(left.reason)} for left in bundle.left_out(version)
    ]
    return {**about_version(bundle, version), "left_out": left_out or None}


def _contributors(bundle: BaseDagBundle, before: str | None, version: str) -> list[dict[str, Any]] | None:
    """Who changed what since the version before; None: it is not known. Never raises."""
    if before is None or not isinstance(bundle, SnapshotBundle):
        return None
    try:
        return bundle.contributors(before, version)
    except Exception:
        log.warning("Who changed what is not known", bundle=bundle.name, version=version, exc_info=True)
        return None


def manifest_of(bundle: BaseDagBundle, version: str) -> dict[str, str]:
    """Each file of a version to its content id: from git where it is one of ours, else by reading."""
    if isinstance(bundle, SnapshotBundle):
        return dict(bundle.manifest(version))
    return {path: _content_id(bundle.path / path) for path in sorted(_walk(bundle.path))}


def _walk(root: Path) -> list[str]:
    found = []
    for directory, names, files in os.walk(root):
        names[:] = [name for name in names if name not in {".git", "__pycache__"}]
        found += [
            str((Path(directory) / name).relative_to(root)) for name in files if not name.endswith(".pyc")
        ]
    return found


def _content_id(path: Path) -> str:
    if path.is_symlink():
        return hashlib.sha256(b"symlink " + os.fsencode(os.readlink(path))).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_below(root: Path, relative: str, *, limit: int = 5_000_000) -> bytes | None:
    """The content of a used file, or None when it is gone, too large or leads out of the directory."""
    path = (root / relative).resolve()
    if not path.is_relative_to(root.resolve()) or not path.is_file() or path.stat().st_size > limit:
        return None
    return path.read_bytes()
