/** The Dag's tab "Releases": its line, its timeline, two builds compared, and who changed what. What is shown is in the URL. */
import { Box } from "@chakra-ui/react";

import { useAddress } from "src/components/address";
import { dagPath } from "src/components/dag";
import { NavTabs } from "src/components/NavTabs";
import { Events } from "src/features/events";
import { Compare } from "src/features/releases/compare/Compare";
import { FromOutside } from "src/features/releases/FromOutside";
import { LineView } from "src/features/releases/LineView";
import { TimelineView } from "src/features/timeline";

export default function DagReleases({ dagId }: { dagId: string }) {
  const params = useAddress();
  const view = params.get("view") ?? "line";
  return (
    <Box pb={6}>
      <NavTabs
        label="Views"
        tabs={[
          { label: "Line", search: "", current: view === "line" },
          { label: "Timeline", search: "view=timeline", current: view === "timeline" },
          { label: "Compare", search: "view=compare", current: view === "compare" },
          { label: "Events", search: "view=events", current: view === "events" },
        ]}
        beside={{ label: "Dag History", to: dagPath(dagId, "dag-history") }}
      />
      <FromOutside dagId={dagId} />
      <View dagId={dagId} view={view} />
    </Box>
  );
}

function View({ dagId, view }: { dagId: string; view: string }) {
  switch (view) {
    case "timeline":
      return <TimelineView dagId={dagId} />;
    case "compare":
      return <Compare dagId={dagId} />;
    case "events":
      return <Events dagId={dagId} />;
    default:
      return <LineView dagId={dagId} />;
  }
}
