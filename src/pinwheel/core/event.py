"""What an event is about: the words of the audit trail."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from pinwheel.core.digest import digest_of


class EventKind(StrEnum):
    """What happened. Releases and changes of the track have the name of what was asked or decided."""

    ADOPT = "adopt"
    """What Airflow ran already, when Pinwheel came, is the Dag's first release."""
    AUTO = "auto"
    """A new build of a Dag that nothing holds was released, or one that waited and that nothing holds now."""
    PIN = "pin"
    """Somebody pinned a Dag, on its active build or another one."""
    UNPIN = "unpin"
    """Somebody unpinned a Dag; a newer build that waited is released."""
    PROMOTE = "promote"
    """Somebody released a newer build."""
    ROLLBACK = "rollback"
    """Somebody went back to the build of an earlier release."""
    RETIRE = "retire"
    """A Dag is gone from its bundle."""
    REJECT = "reject"
    """A build was rejected without a rollback."""
    LIFT = "lift"
    """A rejection was taken back without a release."""
    FOLLOW = "follow"
    """New runs of Dags of a bundle take its newest version: one event a version, which counts them."""
    TRIGGER = "trigger"
    """Somebody started a run, on a build of their choice or the active one."""
    CLEAR = "clear"
    """Somebody had a run run again."""
    BACKFILL = "backfill"
    """Somebody made runs for past dates."""
    BUILD = "build"
    """A build was made."""
    BROKEN = "broken"
    """The file of a Dag could not be used in a bundle version."""
    UNSTABLE = "unstable"
    """Two parses of the same inputs gave different Dags."""
    FOLDED = "folded"
    """Parses of the same inputs gave other forms of an unstable build: one event, which counts them."""
    MISSED = "missed"
    """A verification found that a Dag depends on something that changed unseen; it is in effect since."""
    DUPLICATE = "duplicate"
    """A file holds a Dag that another place defines."""
    DRIFT = "drift"
    """Rows of Airflow were changed past Pinwheel, and put back."""
    REFUSED = "refused"
    """A version of a bundle was not taken."""
    FAULT = "fault"
    """Something of a bundle failed in the Dag processor."""
    RUN_WAITS = "run_waits"
    """A run can not be bound to what its date asks for, and waits: one event a run and reason."""
    RUN_BOUND_LATE = "run_bound_late"
    """A run that was under way already was bound to what its date asks for."""
    RUN_STARTED_UNBOUND = "run_started_unbound"
    """A scheduler without Pinwheel's plugin started a run before it was bound."""
    VARIANT_REFUSED = "variant_refused"
    """Runs of a Dag can not leave out tasks at some dates: no build was made, or one that has all of them."""
    VERSION_RESTORED = "version_restored"
    """Somebody removed a version row that runs of some dates need; it was made anew."""
    MARK_RESTORED = "mark_restored"
    """Somebody took the mark off a Dag's row by which its runs wait to be judged by date; it was put back."""
    TIMELINE_SET = "timeline_set"
    """Somebody said which builds data of which dates is for."""
    TIMELINE_UNSET = "timeline_unset"
    """Somebody took eras away: in their dates the active release runs."""
    ROLLOUT = "rollout"
    """A place of a Dag set out, went a step on its way, or ended."""
    VERDICT = "verdict"
    """A check or a person said something of a place, a bundle version or a digest."""
    FREEZE = "freeze"
    """Somebody froze Dags: one event for each that is named, else one for all that are meant."""
    FREEZE_LIFTED = "freeze_lifted"
    """Somebody ended a freeze, before its time or for one that has none."""
    POLICY = "policy"
    """Rules or policies changed: of a document of the platform, or of a bundle's repository."""


_CHANGE = (
    "verb",
    "release",
    "build",
    "from_release",
    "from_build",
    "track",
    "message",
    "replaced",
    "rejected",
    "lifted",
    "overrides",
)
_BOUND = ("run_id", "build", "release", "bundle_version")

DETAILS: Mapping[EventKind, tuple[str, ...]] = {
    EventKind.ADOPT: ("release", "build", "bundle_version"),
    EventKind.AUTO: _CHANGE,
    EventKind.PIN: _CHANGE,
    EventKind.UNPIN: _CHANGE,
    EventKind.PROMOTE: _CHANGE,
    EventKind.ROLLBACK: _CHANGE,
    EventKind.RETIRE: _CHANGE,
    EventKind.REJECT: _CHANGE,
    EventKind.LIFT: _CHANGE,
    EventKind.FOLLOW: ("bundle_version", "dags"),
    EventKind.TRIGGER: _BOUND,
    EventKind.CLEAR: (*_BOUND, "cleared"),
    EventKind.BACKFILL: (
        "backfill",
        "build",
        "release",
        "bundle_version",
        "from_date",
        "to_date",
        "max_active_runs",
        "run_backwards",
        "reprocess_behavior",
        "new",
        "cleared",
        "skipped",
    ),
    EventKind.BUILD: ("build", "digest", "bundle_version"),
    EventKind.BROKEN: ("bundle_version", "path", "error"),
    EventKind.UNSTABLE: ("attributes",),
    EventKind.FOLDED: ("build", "count", "last_at", "rewritten_at", "digest", "replaced_digest"),
    EventKind.MISSED: ("bundle_version", "path", "attributes", "paths", "changed", "build", "error"),
    EventKind.DUPLICATE: ("path", "owner"),
    EventKind.DRIFT: ("found", "foreign_versions", "repaired"),
    EventKind.REFUSED: ("bundle_version",),
    EventKind.FAULT: ("bundle_version", "place"),
    EventKind.RUN_WAITS: ("run_id", "clear_number"),
    EventKind.RUN_BOUND_LATE: ("run_id", "clear_number", "bundle_version", "cleared"),
    EventKind.RUN_STARTED_UNBOUND: ("run_id", "clear_number", "jobs"),
    EventKind.VARIANT_REFUSED: ("build", "bundle_version", "path", "error"),
    EventKind.VERSION_RESTORED: ("build",),
    EventKind.MARK_RESTORED: ("found",),
    EventKind.ROLLOUT: (
        "rollout",
        "state",
        "step",
        "build",
        "bundle_version",
        "policy",
        "revision",
        "cause",
        "said",
        "not_before",
    ),
    EventKind.VERDICT: (
        "rollout",
        "name",
        "verdict",
        "step",
        "attempt",
        "build",
        "bundle_version",
        "digest",
        "url",
    ),
    EventKind.TIMELINE_SET: ("revision", "changes", "overrides"),
    EventKind.TIMELINE_UNSET: ("revision", "changes"),
    EventKind.FREEZE: ("rule", "message"),
    EventKind.FREEZE_LIFTED: ("rule", "message"),
    EventKind.POLICY: ("document", "policies", "rules_added", "rules_lifted", "bundle_version"),
}
"""What an event of each kind says beside what all say. Not each event of a kind has all of them."""

TOLD_OF_BUNDLES = frozenset({EventKind.REFUSED, EventKind.FAULT})
"""Those whose reason quotes files of a bundle: not everybody may read it, so no search finds it."""

AUDITED = frozenset(
    {
        EventKind.AUTO,
        EventKind.PIN,
        EventKind.UNPIN,
        EventKind.PROMOTE,
        EventKind.ROLLBACK,
        EventKind.RETIRE,
        EventKind.REJECT,
        EventKind.LIFT,
        EventKind.TRIGGER,
        EventKind.CLEAR,
        EventKind.BACKFILL,
        EventKind.DRIFT,
        EventKind.RUN_WAITS,
        EventKind.RUN_BOUND_LATE,
        EventKind.RUN_STARTED_UNBOUND,
        EventKind.MARK_RESTORED,
        EventKind.TIMELINE_SET,
        EventKind.TIMELINE_UNSET,
        EventKind.ROLLOUT,
        EventKind.VERDICT,
        EventKind.FREEZE,
        EventKind.FREEZE_LIFTED,
        EventKind.POLICY,
    }
)
"""Those of which Airflow's audit log has a line too, under their name with ``pinwheel_`` before it."""


def brought_by(bundle_name: str, version: str, *alike: str, seq: int | None = None) -> str:
    """The batch of what one version of a bundle brought, file by file, in as many transactions as it took.

    ``alike`` are texts that events must share beside that, to be told in one line. ``seq`` is the number of
    the head, for what a version brings again when the bundle comes back to it.
    """
    return digest_of(["version", bundle_name, version, *([] if seq is None else [seq]), *alike])


def event_kind(word: str) -> EventKind | str:
    """The kind of a stored event; a word of a later version of Pinwheel stays as it is."""
    try:
        return EventKind(word)
    except ValueError:
        return word
