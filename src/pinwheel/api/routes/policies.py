"""Rules and policies: shown, saved, tried, and explained for a Dag."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from pinwheel.api.access import (
    Access,
    AccessDep,
    HostDep,
    Permission,
    View,
    require,
    require_reading,
    require_view,
)
from pinwheel.api.bodies import JsonRoute
from pinwheel.api.parameters import NO_CONTROLS, DagIdPath, PlanQuery, sees
from pinwheel.api.redaction import readable_standings
from pinwheel.api.routes.dags import readable_selection
from pinwheel.api.schemas.policies import (
    DocumentBody,
    PolicyDocument,
    PolicyDocuments,
    PolicyOfDag,
    SavedDocument,
    TrialBody,
    TriedFile,
)
from pinwheel.core.errors import unknown_document
from pinwheel.services.once import Sees
from pinwheel.services.policy import explain, save, show, trial
from pinwheel.services.ports.host import Host
from pinwheel.services.show.plain import plain

router = APIRouter(tags=["Policies"], route_class=JsonRoute)

DocumentPath = Annotated[str, Path(alias="document", min_length=1, max_length=250, pattern=NO_CONTROLS)]


@router.get(
    "/policies", operation_id="list_policies", response_model=PolicyDocuments, summary="Rules and policies"
)
def list_policies(access: AccessDep, host: HostDep) -> dict[str, Any]:
    """All that are in force, by the document or the repository that has them; without the right to change
    them, no Dag is named that you may not see, nor what is about such Dags alone."""
    require_reading(access)
    return plain(_told(access, host))


@router.post(
    "/policies/test", operation_id="try_policies", response_model=TriedFile, summary="Try rules and policies"
)
def try_policies(access: AccessDep, host: HostDep, body: TrialBody) -> dict[str, Any]:
    """What a file would mean for Dags that you may read. Nothing is written."""
    require_reading(access)
    asked = body.request()
    dag_ids = (
        access.readable() if asked.selection.whole else readable_selection(access, host, asked.selection)
    )
    return plain(
        trial.try_out(
            host, asked.text.encode(), dag_ids=dag_ids, document=asked.document, bundle=asked.bundle
        )
    )


@router.get(
    "/policies/{document}", operation_id="get_policies", response_model=PolicyDocument, summary="One document"
)
def get_policies(
    access: AccessDep,
    host: HostDep,
    document: DocumentPath,
    repository: Annotated[
        bool, Query(description="It is the name of a bundle: show what its repository has.")
    ] = False,
) -> dict[str, Any]:
    """As in the list."""
    require_reading(access)
    source = "repository" if repository else "platform"
    for each in _told(access, host).documents:
        if (each.source, each.name) == (source, document):
            return plain(each)
    raise unknown_document(document, repository=repository)


@router.put(
    "/policies/{document}",
    operation_id="put_policies",
    response_model=SavedDocument,
    summary="Save a document",
)
def put_policies(
    access: AccessDep, host: HostDep, document: DocumentPath, body: DocumentBody, plan: PlanQuery = False
) -> dict[str, Any]:
    """Let a document of the platform say this. A repeat changes nothing; one that says nothing is gone."""
    require_view(access, View.POLICIES, "Cannot change rules and policies")
    asked = body.request(document, plan=plan)
    return plain(
        save.save(
            host,
            asked.document,
            asked.text.encode(),
            actor=access.user_name,
            reason=asked.reason,
            plan=asked.plan,
        )
    )


@router.get(
    "/dags/{dag_id}/policy",
    operation_id="explain_policy",
    response_model=PolicyOfDag,
    summary="Policy of a Dag",
)
def explain_policy(access: AccessDep, host: HostDep, dag_id: DagIdPath) -> dict[str, Any]:
    """By which policy and rules it is judged now, and why."""
    require(access, dag_id, Permission.READ)
    return plain(explain.explain(host, dag_id, sees=_sees(access)))


def _told(access: Access, host: Host) -> show.Documents:
    bundles = {standing.name for standing in readable_standings(access, host).bundles}
    return show.documents(host, sees=_sees(access)).told(bundles, problem=access.has(View.POLICIES))


def _sees(access: Access) -> Sees | None:
    """Of which Dags may be told; None: of all, for whoever changes rules and policies reads all of them."""
    return None if access.has(View.POLICIES) else sees(access)
