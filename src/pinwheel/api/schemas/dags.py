"""Wire types of Dags: how they stand, their builds and releases."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pinwheel.api.schemas.parts import BaseAnswer, BasePage, BundleState, CommitUrl, Moment, ReleaseKind, Told


class Broken(BaseAnswer):
    bundle_version: str | None
    error: str | None = Field(
        description="None when you may not see import errors; when you may not read all Dags of the file, "
        "a sentence that says so."
    )
    at: Moment | None
    path: str | None = Field(description="The Dag's file in the bundle.")


HoldKind = Literal[
    "pin",
    "rejected",
    "era",
    "paused",
    "aborted",
    "freeze",
    "window",
    "gate",
    "watch",
    "queue",
    "at",
    "by-hand",
    "loosened",
    "behind",
]


class Hold(BaseAnswer):
    kind: HoldKind
    reason: str | None = Field(description="What was said by whoever is behind it, or what is waited for.")
    since: Moment | None
    until: Moment | None = Field(
        description="When it ends by itself, or when it is over without an answer; null: it does not, or "
        "nobody knows."
    )
    by: str | None


class Behind(BaseAnswer):
    versions: int = Field(description="So many bundle versions were shown after the one that new runs take.")
    kind: Literal["traced", "other files"] = Field(
        description="`traced`: a newer build, or a file that is broken or not known yet; `other files`: the "
        "same build in later versions, only other files of the bundle changed."
    )


class Place(BaseAnswer):
    build: int | None = Field(description="Null: its number is not known.")
    bundle_version: str


class Watch(BaseAnswer):
    """What the runs of a watched release are judged by."""

    release: int | None
    compared_with: str | None = Field(
        description="The runs before it, in words, as they were when it was released; null: not kept."
    )
    goes_back_to: Place | None = Field(
        description="The proven place to which it is rolled back by itself; null: there is none, or its "
        "watch has ended."
    )
    back: str | None = Field(
        description="What becomes of it if it is worse, as part of a sentence; null: its watch has ended."
    )


PauseCause = Literal[
    "person",
    "inconclusive",
    "error",
    "timeout",
    "stale",
    "no way back",
    "not alone",
    "no runs",
    "era",
]


class UnderWatch(Watch):
    """The release of a Dag that is watched now."""

    rollout: int
    build: int | None
    state: Literal["watching", "paused"] = Field(description="`paused`: a person has to go on with it.")
    cause: PauseCause | None = Field(description="Why it is paused.")
    words: str = Field(description="How far it is; of one that is paused why.")
    until: Moment | None = Field(description="When that is over by itself; null: never, or nobody knows.")


class DagStatus(BaseAnswer):
    dag_id: str
    bundle: str | None
    active_release: int | None
    active_build: int | None
    newest_build: int | None
    track: Literal["auto", "pinned"]
    held: bool
    holds: list[Hold] = Field(
        description="Why new runs do not take the newest build where that stands, the first to be shown; "
        "empty: nothing holds the Dag."
    )
    watch: UnderWatch | None = Field(
        description="The active release, where that is under watch; null: it is not."
    )
    behind: Behind | None = Field(
        description="How far new runs are behind what the bundle shows; null: they take that."
    )
    label: str | None
    broken: Broken | None = Field(
        description="What is wrong with the newest bundle version's file, whether or not anything runs "
        "differently for it."
    )
    retired: bool
    reason: str | None = Field(description="Of the pin for a pinned Dag, else of the active release.")
    actor: str | None = Field(description="Whose pin it is, else who made the active release.")
    since: Moment | None = Field(
        description="Since when it is pinned, else when the active release was made."
    )
    unstable: list[str] = Field(
        description="Attributes of the newest build that differ at each parse of the same files; empty for "
        "a stable Dag."
    )
    bundle_version: str | None = Field(description="The one that new runs take.")
    kind: ReleaseKind | None = Field(description="Why the active release was made.")
    released_at: Moment | None
    path: str | None = Field(description="The Dag's file in the bundle.")
    windowed: bool | None = Field(
        None,
        description="True: tasks of the active build have a place at some dates only, and runs of others, "
        "backfills too, leave them out.",
    )
    runs: dict[str, int] | None = Field(
        None,
        description="With `runs`: those on the active release, by what they came to or are now; null when "
        "you may not see them.",
    )


class Rejected(BaseAnswer):
    """Why a build is never released by itself."""

    actor: str
    reason: str | None
    at: Moment


class Build(BaseAnswer):
    dag_id: str
    build: int | None = Field(description="None for a broken build.")
    digest: str | None
    bundle_version: str | None
    created_at: Moment | None
    author: str | None
    message: str | None
    label: str | None
    status: Literal["good", "broken"]
    releases: list[int] = Field(description="Numbers of the releases of it.")
    error: str | None = Field(
        description="Of a broken build; null when you may not see import errors, and when you may not read "
        "all Dags of the file, a sentence that says so."
    )
    pure: bool = Field(description="Its parse depended on files of the bundle only.")
    adopted: bool = Field(description="Airflow had it before Pinwheel: which files it used was never traced.")
    unstable: list[str] = Field(description="Attributes that differ at each parse of the same files.")
    unread: list[str] = Field(
        description="What could not be read of the Dag's object, so that all files that its Dag file reads "
        "decide its content; empty: what its object reaches does."
    )
    bundle: str
    path: str = Field(description="The Dag's file in the bundle.")
    committed_at: Moment | None
    rejected: Rejected | None = Field(
        description="It was rolled back or rejected, and is never released by itself; null: it is not."
    )


class BuildFile(BaseAnswer):
    path: str
    size: int | None = Field(description="Bytes; null: not kept.")
    read_at_parse: bool = Field(
        description="The parse read it, and it does not decide the content of the Dag."
    )


class OneBuild(Build):
    url: CommitUrl
    files: list[BuildFile] = Field(description="Every file that it used, by path.")
    untraced: bool = Field(description="Of an adopted build only the Dag's own file is known.")


class Release(BaseAnswer):
    dag_id: str
    release: int
    build: int | None
    kind: ReleaseKind | Literal["before"] = Field(
        description="Why it was made; `before`: one of Airflow's versions from before Pinwheel."
    )
    actor: str | None
    reason: str | None
    created_at: Moment | None
    active: bool
    bundle_version: str | None
    label: str | None
    previous_release: int | None
    fetchable: bool = Field(description="Its files are kept, so that it can be rolled back to.")


class BundleProblem(BaseAnswer):
    reason: Told
    version: str | None
    since: Moment | None


class TroubledBundle(BaseAnswer):
    """A bundle whose state is not ok."""

    name: str
    state: BundleState
    problem: BundleProblem


class DagPage(BasePage):
    dags: list[DagStatus]
    bundles: list[TroubledBundle] = Field(
        description="Bundles whose state is not `ok`, of those that you may know of."
    )


class BuildPage(BasePage):
    builds: list[Build]


class ReleasePage(BasePage):
    releases: list[Release]
