import { Empty } from "src/components/states";

export default function TaskVersion({ dagId, runId, taskId, mapIndex }: { dagId: string; runId: string; taskId: string; mapIndex: number }) {
  return <Empty title={[dagId, runId, taskId, mapIndex].join(" ")} />;
}
