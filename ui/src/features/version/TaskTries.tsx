/** Every try of a task instance with the version that it ran on. */
import { Stack, Table } from "@chakra-ui/react";

import type { TaskInstance } from "src/api/runs";
import { Commit, State } from "src/components/labels";
import { Empty } from "src/components/states";
import { Time } from "src/components/time";
import { boundBy } from "src/components/version/names";
import { VersionFacts, VersionMark } from "src/components/version/VersionFacts";

export function TaskTries({ dagId, task }: { dagId: string; task: TaskInstance }) {
  const used = [...new Set(task.tries.length > 0 ? task.tries.map(({ version }) => version) : [task.version])];
  return (
    <Stack gap={4} data-testid="task-tries">
      {task.tries.length === 0 ? (
        <Empty title="No try has begun yet" />
      ) : (
        <Table.Root size="sm" aria-label="Tries">
          <Table.Header>
            <Table.Row>
              <Table.ColumnHeader>Try</Table.ColumnHeader>
              <Table.ColumnHeader>State</Table.ColumnHeader>
              <Table.ColumnHeader>Began</Table.ColumnHeader>
              <Table.ColumnHeader>Version</Table.ColumnHeader>
              <Table.ColumnHeader>Commit</Table.ColumnHeader>
              <Table.ColumnHeader>Bound</Table.ColumnHeader>
            </Table.Row>
          </Table.Header>
          <Table.Body>
            {task.tries.map((one) => (
              <Table.Row key={one.try_number} data-try={one.try_number}>
                <Table.Cell>{one.try_number}</Table.Cell>
                <Table.Cell>
                  <State state={one.state} />
                </Table.Cell>
                <Table.Cell>
                  <Time at={one.start_date} as="absolute" />
                </Table.Cell>
                <Table.Cell>
                  <VersionMark keyName={one.version} version={task.versions[one.version]} active={one.version === task.active} />
                </Table.Cell>
                <Table.Cell>
                  <Commit version={one.bundle_version} url={task.versions[one.version]?.url} />
                </Table.Cell>
                <Table.Cell>
                  {boundBy(one.bound_by)}
                  {one.bound_by !== "active" && one.actor !== null ? ` by ${one.actor}` : ""}
                </Table.Cell>
              </Table.Row>
            ))}
          </Table.Body>
        </Table.Root>
      )}
      {used.map((key) => {
        const version = task.versions[key];
        return version === undefined ? undefined : <VersionFacts key={key} dagId={dagId} version={version} active={key === task.active} />;
      })}
    </Stack>
  );
}
