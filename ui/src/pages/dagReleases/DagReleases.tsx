import { Empty } from "src/components/states";

export default function DagReleases({ dagId }: { dagId: string }) {
  return <Empty title={[dagId].join(" ")} />;
}
