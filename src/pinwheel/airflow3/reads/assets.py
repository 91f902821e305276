"""Which assets no Dag needs as it is: Airflow lets no task start that reads or writes an inactive one."""

from __future__ import annotations

from collections.abc import Collection

from airflow.models.asset import AssetModel
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from pinwheel.core.chunks import chunks

Key = tuple[str, str]


def lone_assets(session: Session, assets: Collection[Key]) -> dict[Key, bool]:
    """Those of these assets (name and URI) that no Dag's active release refers to.

    With whether one can be kept active all the same: no other one that is has its name or its URI.
    """
    referred = or_(
        AssetModel.scheduled_dags.any(), AssetModel.producing_tasks.any(), AssetModel.consuming_tasks.any()
    )
    found: dict[Key, bool] = {}
    for chunk in chunks(sorted(set(assets)), size=200):
        names, uris = [name for name, _ in chunk], [uri for _, uri in chunk]
        alike = select(
            AssetModel.name,
            AssetModel.uri,
            referred.label("referred"),
            or_(referred, AssetModel.active.has()).label("taken"),
        ).where(or_(AssetModel.name.in_(names), AssetModel.uri.in_(uris)))
        rows = session.execute(alike).all()
        used = {(row.name, row.uri) for row in rows if row.referred}
        taken = {(row.name, row.uri) for row in rows if row.taken}
        for key in chunk:
            if key not in used:
                found[key] = not any(
                    other != key and (other[0] == key[0] or other[1] == key[1]) for other in taken
                )
    return found
