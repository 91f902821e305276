import { Empty } from "src/components/states";

export function Events({ dagId }: { dagId?: string }) {
  return <Empty title={`Events ${dagId ?? ""}`} />;
}
