"""A capsule: the part of one Airflow that its migrations need, packed and signed.

The header says what is inside, and is covered by the signature together with the digest of the archive. It
is checked before anything of it is believed, and the archive before anything of it is unpacked.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

import sqlalchemy as sa
from attrs import field, frozen

from pinwheel.core.errors import Refused
from pinwheel.reconcile.revisions import History
from pinwheel.reconcile.signing import Keys

FORMAT = 1
_SUFFIXES = frozenset({".py", ".ini", ".cfg", ".yml", ".yaml", ".json"})
_LEFT_OUT = frozenset({"api_fastapi", "cli", "dag_processing", "example_dags", "jobs", "providers", "ui"})
"""Folders of the core package that no migration needs. The SDK comes along: the core imports it."""
_LIMIT = 64 * 2**20
"""Bytes that an unpacked capsule may have at most."""

Schema = Mapping[str, tuple[str, ...]]
"""Table -> its columns."""


@frozen(kw_only=True)
class Capsule:
    """One capsule as it is stored. Nothing of it may be used before :meth:`check` has found no fault."""

    header_text: str = field(repr=False)
    key_id: str
    signature: str = field(repr=False)
    archive: bytes = field(repr=False)
    id: int | None = None
    stored_at: datetime | None = None

    def check(self, keys: Keys) -> str | None:
        """None when it is what one of the keys signed, else what is wrong with it, as a clause."""
        return keys.verify(_signed(self.header_text, self.archive), self.signature, self.key_id)

    def same_as(self, other: Capsule) -> bool:
        """Whether the same thing is inside, signed with the same key."""
        return (self.header_text, self.key_id, self.signature, self.archive) == (
            other.header_text,
            other.key_id,
            other.signature,
            other.archive,
        )

    @property
    def header(self) -> dict[str, Any]:
        return dict(json.loads(self.header_text))

    @property
    def airflow_version(self) -> str:
        return str(self.header["airflow_version"])

    @property
    def sqlalchemy(self) -> str:
        """The version that its code ran with; empty in capsules that do not say it."""
        return str(self.header.get("sqlalchemy", ""))

    @property
    def history(self) -> History:
        return History.from_json(self.header["history"])

    @property
    def revision(self) -> str:
        """The head of its migrations."""
        return self.history.head

    @property
    def schema(self) -> Schema:
        return {table: tuple(columns) for table, columns in self.header["schema"].items()}

    def unpack(self, folder: Path, keys: Keys) -> Path:
        """Write its files below *folder* and give the package's folder.

        :raises Refused: it is not what one of the keys signed, or holds what no capsule of ours holds.
        """
        if fault := self.check(keys):
            raise unusable("Cannot use the capsule", fault)
        with zipfile.ZipFile(io.BytesIO(self.archive)) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > _LIMIT:
                raise unusable("Cannot use the capsule", "it unpacks to more than a capsule can have")
            for entry in archive.infolist():
                path = PurePosixPath(entry.filename)
                if path.is_absolute() or ".." in path.parts or path.parts[0] != "airflow":
                    raise unusable("Cannot use the capsule", "it holds a file outside of its package")
                target = folder.joinpath(*path.parts)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(archive.read(entry))
        return folder / "airflow"


def unusable(failed: str, found: str) -> Refused:
    return Refused(
        failed,
        found=found,
        remedy="Store a new one from the newer image, with this Fernet key: pinwheel db capsule store",
    )


def make(
    *, package: Path, sdk: Path, airflow_version: str, history: History, schema: Schema, keys: Keys
) -> Capsule:
    """Pack the Airflow in *package* (the folder of ``airflow/__init__.py``) and its SDK, and sign it.

    :raises Refused: there is no Fernet key.
    """
    key = keys.first
    archive = _pack(package, sdk)
    header = json.dumps(
        {
            "format": FORMAT,
            "airflow_version": airflow_version,
            "sqlalchemy": sa.__version__,
            "archive_bytes": len(archive),
            "history": history.as_json(),
            "schema": {table: list(columns) for table, columns in sorted(schema.items())},
        },
        separators=(",", ":"),
    )
    return Capsule(
        header_text=header, key_id=key.id, signature=key.sign(_signed(header, archive)), archive=archive
    )


def _signed(header: str, archive: bytes) -> bytes:
    return hashlib.sha256(header.encode(errors="surrogatepass")).digest() + hashlib.sha256(archive).digest()


def _pack(package: Path, sdk: Path) -> bytes:
    """The same bytes for the same files, whenever and wherever it is made."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        files = {path.relative_to(package): path for path in package.rglob("*")}
        files |= {Path("sdk") / path.relative_to(sdk): path for path in sdk.rglob("*")}
        for inside, path in sorted(files.items()):
            left_out = inside.parts[0] in _LEFT_OUT or "__pycache__" in inside.parts
            if path.suffix in _SUFFIXES and not left_out and path.is_file():
                entry = zipfile.ZipInfo(str(PurePosixPath("airflow", *inside.parts)))
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, path.read_bytes(), compresslevel=9)
    return buffer.getvalue()
