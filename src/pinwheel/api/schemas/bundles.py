"""What the bundles' routes answer."""

from __future__ import annotations

from pydantic import Field

from pinwheel.api.schemas.dags import BundleProblem
from pinwheel.api.schemas.parts import BaseAnswer, BundleState, Moment, Told


class BundleHead(BaseAnswer):
    version: str
    label: str | None
    author: str | None
    message: str | None
    committed_at: Moment | None
    since: Moment = Field(description="When it became the version in use.")
    settled: bool = Field(description="Each of its files is known: parsed, taken over or broken.")
    url: str | None = Field(description="Where the commit can be looked at, when the bundle knows it.")


class BundleRefusedVersion(BaseAnswer):
    version: str
    label: str | None
    author: str | None
    message: str | None
    reason: Told
    at: Moment | None


class BundleFault(BaseAnswer):
    place: str
    error: Told
    version: str | None
    since: Moment


class BundleLeftOut(BaseAnswer):
    path: str
    reason: str


class BundleUnverified(BaseAnswer):
    """Files that were judged unchanged, and that nobody has parsed in the tree of the head yet."""

    files: int
    since: Moment = Field(description="When the longest unverified one was last parsed or verified.")
    version: str | None = Field(description="The oldest version that is not verified for it.")
    done_at: Moment = Field(description="When all are verified, if nothing changes; an estimate.")


class Bundle(BaseAnswer):
    name: str
    state: BundleState
    problem: BundleProblem | None = Field(description="Why its state is not `ok`.")
    head: BundleHead | None = Field(
        description="The version in use. Null: none was taken, its Dags are Airflow's alone."
    )
    looked_at: Moment | None = Field(description="When Airflow last looked for a newer version.")
    dags: int = Field(description="Active Dags of it, also those that you may not read.")
    refused: list[BundleRefusedVersion] = Field(
        description="Versions that were not taken, the newest first, at most 20; `state` says whether the "
        "newest one was."
    )
    faults: list[BundleFault] = Field(description="What failed and has not worked since.")
    left_out: list[BundleLeftOut] | None = Field(
        description="Entries of the head that are not part of the version; null when you may not know them."
    )
    unverified: BundleUnverified | None = Field(
        description="How far the verification of files that were judged unchanged is; null: all are "
        "verified, or it is off."
    )


class Bundles(BaseAnswer):
    bundles: list[Bundle]
    faults: list[BundleFault] = Field(description="What fails of the Dag processor itself.")
