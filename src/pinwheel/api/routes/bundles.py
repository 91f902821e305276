"""Bundles: the version in use, what was refused, and what fails."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path

from pinwheel.api.access import Access, AccessDep, HostDep
from pinwheel.api.parameters import NO_CONTROLS, Words
from pinwheel.api.redaction import readable_standings
from pinwheel.api.schemas.bundles import Bundle, Bundles
from pinwheel.services.ports.host import Host
from pinwheel.services.show import bundles
from pinwheel.services.show.plain import plain

router = APIRouter(prefix="/bundles", tags=["Bundles"])

BundlePath = Annotated[str, Path(alias="bundle_name", min_length=1, max_length=250, pattern=NO_CONTROLS)]


@router.get("", operation_id="list_bundles", response_model=Bundles, summary="Bundles")
def list_bundles(
    access: AccessDep,
    host: HostDep,
    name: Words = [],  # noqa: B006 - FastAPI copies it
) -> dict[str, Any]:
    """Bundles of which you may read a Dag; those without Dags when you may see import errors."""
    return plain(readable_standings(access, host, names=name))


@router.get("/{bundle_name}", operation_id="get_bundle", response_model=Bundle, summary="One bundle")
def get_bundle(access: AccessDep, host: HostDep, bundle_name: BundlePath) -> dict[str, Any]:
    """As in the list."""
    (standing,) = readable_standings(access, host, names=[bundle_name]).bundles
    return plain(standing)


def troubled(access: Access, host: Host, *, of: str | None = None) -> list[dict[str, Any]]:
    """Those of the bundles that the user may know of whose state is not ok, for answers about Dags."""
    found = readable_standings(access, host).bundles
    shown = (bundles.troubled(standing) for standing in found if of in (None, standing.name))
    return [plain(each) for each in shown if each is not None]
