"""Dags whose tasks have start and end dates of their own, of which not each can be without each task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from attrs import evolve

from pinwheel.core import text
from pinwheel.core.errors import Refused
from pinwheel.core.json import Json
from pinwheel.core.structure.windows import Segment, check_count, stretches
from pinwheel.core.structure.without import without
from pinwheel.services.ingest.builds import ParsedFile
from pinwheel.services.ports.host import Host
from pinwheel.services.release import variants


def checked(host: Host, file: ParsedFile) -> ParsedFile:
    """The file without the Dags of which some variant can not be made: these become import errors.

    Their last good builds stay as they are released.
    """
    refused: dict[str, str] = {}
    allowed = partial(variants.allowed, host, bundle_name=file.bundle_name, version=file.bundle_version)
    for content in file.contents:
        found = () if content.dag_id in file.unversioned_dags else stretches(content.serialized)
        # Asked only of those: no other Dag depends on the options.
        most = host.unit.run(allowed) if found else 0
        try:
            if most:
                check(content.serialized, found, most=most)
        except Refused as error:
            refused[content.dag_id] = error.message
    if not refused:
        return file
    told = [file.errors.get(file.path), *(f"Dag {dag_id}: {why}" for dag_id, why in sorted(refused.items()))]
    return evolve(
        file,
        contents=[content for content in file.contents if content.dag_id not in refused],
        errors={**file.errors, file.path: text.fit("\n\n".join(filter(None, told)), text.ERROR)},
        refused=file.refused | refused.keys(),
        without_variants=refused,
    )


def check(serialized: Mapping[str, Json], found: Sequence[Segment], *, most: int) -> None:
    """:raises Refused: there are too many variants, or one of them can not be made."""
    check_count(found, most=most)
    for absent in {segment.absent for segment in found if segment.absent}:
        without(serialized, absent)
