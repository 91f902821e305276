"""A bundle version becomes the head, as a Dag processor takes it in, without one."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any


def take_in(
    host: Any,
    bundle_name: str,
    version: str,
    *,
    files: Collection[str],
    changed: Collection[str],
    path: str = "/bundles",
    about: Mapping[str, Any] | None = None,
    policies: Any = None,
) -> int:
    """Take a version with these Dag files in, of which these are not as they were; its seq.

    *policies* are those of its repository; None: it says nothing of them.
    """
    from pinwheel.services.ingest import take_version
    from pinwheel.store import bundles
    from pinwheel.store import files as store

    _, seq, _ = host.unit.run(lambda s: bundles.head(s, bundle_name))
    known = host.unit.run(lambda s: store.known(s, bundle_name))
    same = set(files) - set(changed)
    incoming = take_version.Incoming(
        bundle_name=bundle_name,
        version=version,
        path=path,
        about=about or {},
        files=frozenset(files),
        policies=policies,
        unchanged={path: row.parse_id for path, row in known.items() if path in same and row.parse_id},
    )
    taken = take_version.take_in(host, incoming, expected_seq=seq)
    assert taken is not None
    assert not taken.stale
    return taken.seq
