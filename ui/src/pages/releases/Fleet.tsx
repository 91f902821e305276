import { Empty } from "src/components/states";

export default function Fleet() {
  return <Empty title="Fleet" />;
}
