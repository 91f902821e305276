"""Which of the files that gave a Dag define it: a parse also gives the Dags of the Dag files it imports."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from attrs import frozen


@frozen(kw_only=True)
class Holder:
    """A file whose parse gave the Dag."""

    path: str
    reads: Collection[str]
    """All files that its parse used."""
    source: Callable[[], bytes | None]
    """The file's content. Asked only where files import each other."""


def definers(dag_id: str, holders: Sequence[Holder]) -> set[str]:
    """Paths of the files that define the Dag; more than one when it is in several, or nobody can tell.

    Airflow says that a Dag is in the file that was parsed, also when that only imported the Dag's own module
    (3.3.2 and 3.4.0b2 ``importers/python_importer.py``, ``_process_modules``). So the file that others
    import defines it. Of files that import each other it is the one that spells the Dag's id.
    """
    paths = {holder.path for holder in holders}
    imports = {
        holder.path: {p for p in holder.reads if p in paths and p != holder.path} for holder in holders
    }
    # What a file imports is read in its parse too: only files of one circle import each other.
    lowest = [h for h in holders if all(h.path in imports[path] for path in imports[h.path])]
    spelled = {h.path for h in lowest if imports[h.path] and _spells(h, dag_id)}
    alone = {h.path for h in lowest if not imports[h.path]}
    return alone | spelled or {h.path for h in lowest} or paths


def _spells(holder: Holder, dag_id: str) -> bool:
    source = holder.source() or b""
    return any(f"{quote}{dag_id}{quote}".encode() in source for quote in ("'", '"'))
