/** The date of a run, which chooses its build where the Dag has eras: what it is called. */
import type { Schemas } from "src/api/schemas";

type DatedBy = Schemas["Timeline"]["dated_by"];

const WORDS: Record<NonNullable<DatedBy>, { axis: string; of: string }> = {
  data_interval: { axis: "start of the data interval", of: "its data interval" },
  partition: { axis: "partition date", of: "its partition date" },
  logical_date: { axis: "logical date", of: "its logical date" },
  asset_events: { axis: "earliest data of its asset events", of: "the data of its asset events" },
  run_after: { axis: "time after which it runs", of: "the time after which it runs" },
};

/** What a run's date is. Of a Dag without runs: what comes first. */
export function dateWords(by: DatedBy): string {
  return WORDS[by ?? "data_interval"].axis;
}

/** "The build of its data interval": one of the builds that a dialog offers. */
export function buildOfDate(by: DatedBy): string {
  return `The build of ${WORDS[by ?? "data_interval"].of}`;
}
