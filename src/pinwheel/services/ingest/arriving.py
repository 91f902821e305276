"""Registering parsed files whatever is in them: what the database refuses is an import error of one file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import evolve, field, frozen

from pinwheel.core.build import BuildContent
from pinwheel.services.ingest.builds import ParsedFile
from pinwheel.services.ingest.refusing import of_dag, reason_of, words
from pinwheel.services.ingest.register import register, register_all
from pinwheel.services.ports.host import Host
from pinwheel.services.release.variants import Unanswered
from pinwheel.store.refusals import may_pass

_ENOUGH_TROUBLE = 2
"""After so many files that hang on the database, the others wait too: one may hang on a row of its own."""


@frozen(kw_only=True)
class Taken:
    """What became of parsed files."""

    known: Sequence[ParsedFile]
    """Those that need not be registered again, refused ones among them: nothing would be different."""
    later: Sequence[ParsedFile] = ()
    """Those to be registered again: the database was not itself."""
    unanswered: Sequence[ParsedFile] = ()
    """Those to be registered again because their bundle's class gave no answer: they hinder no other."""
    refused: Mapping[str, str] = field(factory=dict)
    """Path of each refused file to the reason."""
    trouble: Exception | None = None
    """Why some are to be registered again."""


def take_in(host: Host, parsed: Sequence[ParsedFile]) -> Taken:
    """Register these files, together if that works, else each alone. Raises nothing for what is in them.

    A file, or a Dag of it, that cannot be stored becomes an import error and a broken build with the
    reason, its Dags stay as they are released, and it counts as known.
    """
    if len(parsed) > 1:
        try:
            register_all(host, parsed)
            return Taken(known=parsed)
        except Exception:
            # Which one it was, and whether it may pass, is seen with each alone.
            pass
    known: list[ParsedFile] = []
    later: list[ParsedFile] = []
    refused: dict[str, str] = {}
    unanswered: list[ParsedFile] = []
    trouble: Exception | None = None
    for number, file in enumerate(parsed):
        try:
            reason = _take_one(host, file)
        except Unanswered as error:
            unanswered.append(file)
            trouble = trouble or error
            continue
        except Exception as error:
            later.append(file)
            trouble = error
            if len(later) == _ENOUGH_TROUBLE:
                later += parsed[number + 1 :]
                break
            continue
        known.append(file)
        if reason is not None:
            refused[file.path] = reason
    return Taken(known=known, later=later, unanswered=unanswered, refused=refused, trouble=trouble)


def _take_one(host: Host, file: ParsedFile) -> str | None:
    """Register it; the reason if it was refused. Raises what may pass."""
    try:
        register(host, file)
        return None
    except Exception as error:
        if may_pass(error) or (refusal := _refusal(host, file)) is None:
            raise
    alone = evolve(file, errors={}, warnings=())
    reasons = _refused_dags(host, alone, file.contents)
    reason = reason_of(file.path, reasons or {"": words(refusal)})
    good = [content for content in file.contents if content.dag_id not in reasons]
    told = "\n\n".join(filter(None, (file.errors.get(file.path), reason)))
    shown = evolve(alone, contents=good, errors={**file.errors, file.path: told}, refused=frozenset(reasons))
    for attempt in (shown, evolve(alone, contents=(), errors={file.path: reason})):
        try:
            register(host, attempt)
            return reason
        except Exception as error:
            if may_pass(error):
                raise
            refusal = error
    return f"{reason} This can not be shown as an import error: {words(refusal)}."


def _refusal(host: Host, file: ParsedFile) -> Exception | None:
    """Why the file can not be registered, or None if it can. Nothing is kept. Raises what may pass."""
    try:
        host.rehearse(lambda rehearsal: register(rehearsal, file))
        return None
    except Exception as error:
        if may_pass(error):
            raise
        return error


def _refused_dags(host: Host, file: ParsedFile, contents: Sequence[BuildContent]) -> dict[str, str]:
    """Which of these Dags can not be stored, and why: halves are tried until single Dags are left."""
    refusal = _refusal(host, evolve(file, contents=contents)) if contents else None
    if refusal is None:
        return {}
    found: dict[str, str] = {}
    if len(contents) > 1:
        half = len(contents) // 2
        found = _refused_dags(host, file, contents[:half]) | _refused_dags(host, file, contents[half:])
    return found or {content.dag_id: of_dag(refusal, content) for content in contents}
