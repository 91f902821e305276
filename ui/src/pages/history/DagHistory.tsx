import { Empty } from "src/components/states";

export default function DagHistory({ dagId }: { dagId: string }) {
  return <Empty title={[dagId].join(" ")} />;
}
