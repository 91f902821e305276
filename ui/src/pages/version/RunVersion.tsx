import { Empty } from "src/components/states";

export default function RunVersion({ dagId, runId }: { dagId: string; runId: string }) {
  return <Empty title={[dagId, runId].join(" ")} />;
}
