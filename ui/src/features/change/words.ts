/** What the changes are called, and what each leaves as it is. */
import type { Verb } from "src/api/changes";

const WORDS: Record<Verb, { title: string; button: string; stays: string }> = {
  promote: {
    title: "Promote",
    button: "Promote",
    stays: "Runs that began keep the release they began with. Whether a Dag is pinned stays as it is.",
  },
  pin: {
    title: "Pin",
    button: "Pin",
    stays: "New builds will wait until the Dag is unpinned or one is promoted. Runs that began are not touched.",
  },
  unpin: {
    title: "Unpin",
    button: "Unpin",
    stays: "From now on each new build is released by itself again, but never one that is rejected. Runs that began keep their release.",
  },
  rollback: {
    title: "Roll back",
    button: "Roll back",
    stays: "Runs that began keep the release they began with. The Dag is then pinned, so that no push undoes it.",
  },
};

export function wordsOf(verb: Verb) {
  return WORDS[verb];
}

/** "1 run", "3 runs". */
export function counted(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}
