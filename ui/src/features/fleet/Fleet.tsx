/** The page in Airflow's navigation: all Dags and what is released of them, what is on its way, or all events. */
import type { ReactNode } from "react";

import { useAddress } from "src/components/address";
import { NavTabs } from "src/components/NavTabs";
import { Events } from "src/features/events";
import { FleetTable } from "src/features/fleet/FleetTable";
import { Rollouts, WaitingCount } from "src/features/rollouts";

const VIEWS: Record<string, ReactNode> = { rollouts: <Rollouts />, events: <Events /> };

export default function Fleet() {
  const params = useAddress();
  const view = params.get("view") ?? "";
  return (
    <>
      <NavTabs
        label="Views"
        tabs={[
          { label: "Releases", search: "", current: !Object.hasOwn(VIEWS, view) },
          { label: "Rollouts", search: "view=rollouts", current: view === "rollouts", badge: <WaitingCount /> },
          { label: "Events", search: "view=events", current: view === "events" },
        ]}
      />
      {Object.hasOwn(VIEWS, view) ? VIEWS[view] : <FleetTable />}
    </>
  );
}
