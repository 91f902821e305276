"""What the fleet's routes answer."""

from __future__ import annotations

from pydantic import Field

from pinwheel.api.schemas.dags import Behind, Broken, Hold, TroubledBundle, UnderWatch
from pinwheel.api.schemas.parts import BaseAnswer, Moment


class FleetBuild(BaseAnswer):
    build: int
    label: str | None
    bundle_version: str | None
    url: str | None = Field(description="Where the commit can be looked at, when the bundle knows it.")
    author: str | None
    message: str | None
    created_at: Moment | None
    committed_at: Moment | None


class Pin(BaseAnswer):
    actor: str | None
    reason: str | None
    since: Moment | None


class LastChange(BaseAnswer):
    kind: str
    actor: str | None
    reason: str | None
    at: Moment | None


class FleetDag(BaseAnswer):
    dag_id: str
    display_name: str
    owners: list[str]
    tags: list[str]
    paused: bool | None
    bundle: str
    path: str
    active_release: int | None
    released_at: Moment | None
    active: FleetBuild | None
    newest: FleetBuild | None
    behind: Behind | None = Field(
        description="How far new runs are behind what the bundle shows; null: they take that."
    )
    held: bool
    holds: list[Hold] = Field(
        description="Why new runs do not take the newest build where that stands, the first to be shown; "
        "empty: nothing holds the Dag."
    )
    watch: UnderWatch | None = Field(
        description="The active release, where that is under watch; null: it is not."
    )
    retired: bool
    pin: Pin | None
    broken: Broken | None
    waits_since: Moment | None = Field(
        description="When what waits came, or was held, if that was later; null: nothing holds the Dag."
    )
    failing_since: Moment | None = Field(
        description="When the first of the runs that failed on the active release did; null when none has "
        "that you may see, or when nobody noted it."
    )
    runs: dict[str, int] | None = Field(
        description="Runs on the active release, by what they came to or are now; null when you may not "
        "see them."
    )
    last_change: LastChange | None
    may_edit: bool


class FleetCounts(BaseAnswer):
    all: int
    held: int
    pinned: int
    broken: int
    failing: int
    broken_files: int = Field(description="How many files the broken Dags are of.")


class Fleet(BaseAnswer):
    dags: list[FleetDag]
    total_entries: int = Field(description="How many there are without `limit` and `offset`.")
    bundles: list[TroubledBundle] = Field(
        description="Bundles whose state is not `ok`, of those that you may know of."
    )
    counts: FleetCounts = Field(
        description="How many are in each state, whatever of `held`, `pinned`, `broken`, `failing` is asked."
    )


class Choices(BaseAnswer):
    bundles: list[str]
    owners: list[str]
    tags: list[str]
