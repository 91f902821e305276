/** The page in Airflow's navigation: all Dags and what is released of them, or all events. */
import { useAddress } from "src/components/address";
import { NavTabs } from "src/components/NavTabs";
import { Events } from "src/features/events";
import { FleetTable } from "src/features/fleet/FleetTable";

export default function Fleet() {
  const params = useAddress();
  const events = params.get("view") === "events";
  return (
    <>
      <NavTabs
        label="Views"
        tabs={[
          { label: "Releases", search: "", current: !events },
          { label: "Events", search: "view=events", current: events },
        ]}
      />
      {events ? <Events /> : <FleetTable />}
    </>
  );
}
