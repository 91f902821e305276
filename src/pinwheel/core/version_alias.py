"""Bundle versions, plain and aliased: what may stand in Airflow's ``bundle_version`` columns.

A plain version is a full commit id. An *aliased* version also says that a file which Airflow will ask for
under one path is to be served from another: ``<sha>+<alias>[+<alias>…]``, each alias ``OLD=NEW``. Airflow
takes a run's file path from the active release of the Dag but the bundle version from the run
(``executors/workloads/task.py``, 3.3), so a run of an older release whose file has moved since needs this.

In a path ``/`` is written ``:`` and every byte outside ``A-Z a-z 0-9 _ . -`` is percent-encoded, so the
whole is one file name. A value ``@bundle!path`` (written ``@bundle!path`` too) means: the commit and the
file are those of another configured bundle.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote, unquote

MAXIMUM_LENGTH = 199
"""``dag.bundle_version`` is a VARCHAR(200) (Airflow 3.3, models/dag.py)."""

_SHA = re.compile(r"(?:[0-9a-f]{40}|[0-9a-f]{64})\Z")
_ENCODED = re.compile(r"(?:[A-Za-z0-9_.\-:]|%[0-9A-F]{2})+\Z")
_TARGET = re.compile(r"@([^/!]+)!(.*)\Z", re.DOTALL)


def is_commit_id(text: str) -> bool:
    """Whether *text* is a full commit id in lower case (SHA-1 or SHA-256)."""
    return bool(_SHA.match(text))


def split_target(new: str) -> tuple[str | None, str]:
    """``"@other!dags/a.py"`` → ``("other", "dags/a.py")``; ``"dags/a.py"`` → ``(None, "dags/a.py")``."""
    match = _TARGET.match(new)
    return (match[1], match[2]) if match else (None, new)


def make_aliased_version(sha: str, aliases: Mapping[str, str]) -> str:
    """The version string that serves, at *sha*, each key of *aliases* from the path that is its value.

    Paths are relative to the bundle's path, with ``/``. No aliases: *sha* itself. The same input gives the
    same string whatever the order.

    Raises ValueError, with the reason, for a *sha* that is no full commit id, a path that is empty,
    absolute or climbs out, two old paths of which one lies inside the other, targets in more than one
    bundle, and a result of :data:`MAXIMUM_LENGTH` characters and more.
    """
    if not is_commit_id(sha):
        raise ValueError(f"{sha!r} is not a full commit id: expected 40 or 64 lower-case hex digits")
    _check_together(aliases)
    version = sha
    for old in sorted(aliases, key=_encode_path):
        version += f"+{_encode_path(old)}={_encode_target(aliases[old])}"
    if len(version) > MAXIMUM_LENGTH:
        raise ValueError(
            f"The aliased version would be {len(version)} characters long and Airflow stores at most "
            f"{MAXIMUM_LENGTH}: {version}"
        )
    return version


def split_version(version: str) -> tuple[str, dict[str, str]]:
    """The commit id and the aliases (old path → new path, or ``@bundle!path``) of a version string.

    Accepts exactly what :func:`make_aliased_version` can return, so that one meaning has one spelling and
    a string from a database can be used as a file name and as an argument of ``git``.

    Raises ValueError, with the reason, for anything else.
    """
    if len(version) > MAXIMUM_LENGTH:
        raise ValueError(f"A bundle version is a text of at most {MAXIMUM_LENGTH} characters")
    sha, *parts = version.split("+")
    if not is_commit_id(sha):
        raise ValueError(f"Bundle version {version!r} does not start with a full commit id")
    aliases: dict[str, str] = {}
    for part in parts:
        old_text, separator, new_text = part.partition("=")
        if not separator:
            raise ValueError(f"Alias {part!r} in bundle version {version!r} has no '='")
        old = _decode(old_text)
        if new_text.startswith("@"):
            name, separator, path_text = new_text[1:].partition("!")
            if not separator:
                raise ValueError(f"Alias {part!r} in bundle version {version!r} names a bundle but no path")
            new = f"@{_decode(name)}!{_decode(path_text)}"
        else:
            new = _decode(new_text)
        if old in aliases:
            raise ValueError(f"Bundle version {version!r} serves {old!r} from two places")
        aliases[old] = new
    if make_aliased_version(sha, aliases) != version:
        raise ValueError(f"Bundle version {version!r} is not in its canonical spelling")
    return sha, aliases


def target_bundle(version: str) -> str | None:
    """Name of the bundle whose commit an aliased *version* means, or None for the Dag's own bundle."""
    _, aliases = split_version(version)
    return next((split_target(new)[0] for new in aliases.values()), None)


def _check_together(aliases: Mapping[str, str]) -> None:
    bundles = {split_target(new)[0] for new in aliases.values()}
    if len(bundles) > 1:
        raise ValueError("All aliases of one version must point into one bundle: it has one commit")
    for old, new in aliases.items():
        if old == new:
            raise ValueError(f"The alias for {old!r} points at itself")
        for outer in aliases:
            if old.startswith(outer + "/"):
                raise ValueError(f"The alias for {old!r} lies inside the alias for {outer!r}")


def _check_path(path: str) -> None:
    if not path:
        raise ValueError("An alias needs a path")
    if "\0" in path:
        raise ValueError(f"The path {path!r} holds a NUL character")
    for component in path.split("/"):
        if component in ("", ".", "..") or component.lower() == ".git":
            raise ValueError(f"The path {path!r} is not a plain relative path below the bundle")


def _encode(text: str) -> str:
    try:
        # quote() would leave '~' alone and '+' or '=' must never appear inside a path
        encoded = quote(text, safe="", errors="surrogateescape").replace("~", "%7E")
        if unquote(encoded, errors="surrogateescape") != text:
            raise ValueError(f"The text {text!r} has no single spelling in UTF-8")
    except UnicodeEncodeError as error:
        raise ValueError(f"The text {text!r} can not be written in UTF-8") from error
    return encoded


def _encode_path(path: str) -> str:
    _check_path(path)
    return ":".join(_encode(component) for component in path.split("/"))


def _encode_target(new: str) -> str:
    bundle, path = split_target(new)
    # A plain path that starts with '@' is percent-encoded, so the two can not be confused
    return _encode_path(path) if bundle is None else f"@{_encode(bundle)}!{_encode_path(path)}"


def _decode(text: str) -> str:
    if not _ENCODED.match(text):
        raise ValueError(f"{text!r} is not a percent-encoded path with ':' for '/'")
    return unquote(text.replace(":", "/"), errors="surrogateescape")
