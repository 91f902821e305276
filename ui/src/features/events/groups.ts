/** Kinds of events by what a person asks for: what the events page can be filtered by. */
import type { EventKind } from "src/api/events";

/** What is shown unless somebody asks for something else. */
export const DEFAULT_GROUP = "What people did";
export const EVERYTHING = "All events";

export const GROUPS: Record<string, EventKind[]> = {
  [DEFAULT_GROUP]: ["promote", "rollback", "pin", "unpin", "reject", "lift", "trigger", "clear", "backfill", "timeline_set", "timeline_unset", "freeze", "freeze_lifted", "policy"],
  "Promotions and rollbacks": ["promote", "rollback"],
  "Pins": ["pin", "unpin"],
  "Freezes": ["freeze", "freeze_lifted"],
  "Timelines": ["timeline_set", "timeline_unset"],
  "Rollouts": ["rollout", "verdict"],
  "Rules and policies": ["policy"],
  "Rejections": ["rollback", "reject", "lift"],
  "Automatic releases": ["auto", "adopt", "retire", "follow"],
  "Builds": ["build", "broken", "unstable", "folded", "missed", "variant_refused"],
  "Runs": ["trigger", "clear", "backfill", "run_waits", "run_bound_late", "run_started_unbound"],
  "Repairs": ["drift", "version_restored", "mark_restored"],
  "Problems": ["broken", "variant_refused", "duplicate", "refused", "fault"],
  [EVERYTHING]: [],
};
