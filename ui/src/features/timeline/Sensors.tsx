/** Sensors of other Dags that wait for a task which is not there at some dates. */
import { Alert, List } from "@chakra-ui/react";

import type { WaitingSensor } from "src/api/timeline";
import { PageLink } from "src/components/labels";
import { counted, spanWords } from "src/features/timeline/words";

const SHOWN = 200;

export function Sensors({ sensors }: { sensors: WaitingSensor[] }) {
  if (sensors.length === 0) return undefined;
  return (
    <Alert.Root status="warning" data-testid="sensors">
      <Alert.Indicator />
      <Alert.Content gap={1}>
        <Alert.Title>
          {counted(sensors.length, "sensor")} of other Dags {sensors.length === 1 ? "waits" : "wait"} until the timeout where the data is of these dates
        </Alert.Title>
        <Alert.Description>
          <List.Root gap={1} listStyle="none" maxHeight="30vh" overflowY="auto" tabIndex={0} aria-label="Sensors" fontSize="sm">
            {sensors.slice(0, SHOWN).map((one) => (
              <List.Item key={`${one.dag_id} ${one.task_id} ${one.waits_for} ${one.starts_at}`} overflowWrap="anywhere">
                <PageLink to={`/dags/${encodeURIComponent(one.dag_id)}`}>{one.dag_id}</PageLink>: {one.task_id} waits for {one.waits_for}, which is not there at{" "}
                {spanWords(one)}
              </List.Item>
            ))}
            {sensors.length > SHOWN ? <List.Item color="fg.muted">and {sensors.length - SHOWN} more</List.Item> : undefined}
          </List.Root>
        </Alert.Description>
      </Alert.Content>
    </Alert.Root>
  );
}
