/** What the address of the page of rollouts asks for. */
import type { RolloutWish } from "src/api/rollouts";

const ENDED = ["proven", "released", "rejected", "rolled_back", "aborted", "superseded", "withdrawn"];

/** By what stands in the address; without: what is on its way. */
const OF_STATE: Record<string, string[]> = { waiting: ["waiting"], paused: ["paused"], watching: ["watching"], ended: ENDED };

export const STATES = { "": "on their way", waiting: "waiting", paused: "paused", watching: "watched", ended: "ended" };
export const WAITING_FOR = { "": "anything", person: "a person", check: "a check", time: "a time", runs: "runs", nobody: "nobody" };

export function wishOf(params: URLSearchParams): RolloutWish {
  const state = params.get("state") ?? "";
  const waitingFor = params.get("waiting_for") ?? "";
  return {
    states: (Object.hasOwn(OF_STATE, state) ? OF_STATE[state] : undefined) ?? ["live"],
    waitingFor: state !== "ended" && waitingFor !== "" && Object.hasOwn(WAITING_FOR, waitingFor) ? waitingFor : undefined,
    dagId: params.get("dag") || undefined,
  };
}

/** Whether the address asks for some of them only: then they stand in one list. */
export function isFiltered(params: URLSearchParams): boolean {
  const { states, waitingFor } = wishOf(params);
  return states[0] !== "live" || waitingFor !== undefined;
}
