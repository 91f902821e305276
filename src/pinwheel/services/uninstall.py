"""Leaving: what is ours goes, what is Airflow's stays and runs on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pinwheel.core.errors import Refused
from pinwheel.core.why_held import why_held
from pinwheel.services.ports import Host
from pinwheel.store import dags

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def plan(host: Host) -> dict[str, Any]:
    """What :func:`uninstall` would drop and what would remain. Nothing is changed.

    ``{tables, processors, held, pinned, remains}``: ``held`` are Dags that a plain Dag processor would move
    to their newest build; ``remains`` are sentences that say what to do about what is left.
    """
    return host.run(lambda session: _plan(host, session))


def uninstall(host: Host, *, force: bool = False) -> dict[str, Any]:
    """Drop Pinwheel's tables and return what :func:`plan` said just before.

    Airflow's rows are left as they are, so active releases go on being scheduled.

    :raises Refused: a Dag processor is alive: ours would fail without its tables. ``force`` does it anyway.
    """

    def work(session: Session) -> dict[str, Any]:
        found = _plan(host, session)
        if found["processors"] and not force:
            raise Refused(
                "Cannot uninstall Pinwheel",
                found=f"a Dag processor is alive on {', '.join(found['processors'])}",
                remedy="Stop it and repeat, or say --yes when it is the plain airflow dag-processor",
                processors=found["processors"],
            )
        if found["tables"]:
            host.drop_own_tables(session)
        return found

    return host.run(work)


def _plan(host: Host, session: Session) -> dict[str, Any]:
    tables = host.own_tables(session)
    rows = dags.rows(session) if "pinwheel_dag" in tables else {}
    pinned = sorted(dag_id for dag_id, row in rows.items() if row.pinned)
    held = sorted(dag_id for dag_id, row in rows.items() if why_held(row))
    left = host.leftovers(session)
    return {
        "tables": tables,
        "processors": host.live_processors(session),
        "pinned": pinned,
        "held": held,
        "remains": _remains(pinned, held, left),
        **left,
    }


def _remains(pinned: list[str], held: list[str], left: dict[str, Any]) -> list[str]:
    told = [
        "Start the plain processor in place of ours: airflow dag-processor",
        "Every release so far stays in Airflow as a Dag version",
    ]
    if held or pinned:
        told.append(
            f"{len({*held, *pinned})} pinned or held Dags will follow their newest code once the plain "
            "processor parses them"
        )
    if left["bundles"]:
        told.append(
            f"Bundles {', '.join(left['bundles'])} use Pinwheel's classes: give them Airflow's own in "
            "[dag_processor] dag_bundle_config_list before the package is removed"
        )
    if left["aliased_dags"]:
        told.append(
            f"{len(left['aliased_dags'])} Dags whose file moved carry a version that only Pinwheel's bundles "
            "read; the plain processor rewrites it at its first parse"
        )
    if left["trial_versions"]:
        told.append(
            f"{left['trial_versions']} Dag versions with negative numbers stay for the runs that tried "
            "unreleased builds"
        )
    told.append("Remove the [pinwheel] section from airflow.cfg, then: pip uninstall airflow-pinwheel")
    return told
