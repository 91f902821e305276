/** Every version that a run was bound to, and how. */
import { Alert, Stack, Table, Text } from "@chakra-ui/react";

import type { Schemas } from "src/api/schemas";
import { Commit } from "src/components/labels";
import { Time } from "src/components/time";
import { boundBy } from "src/components/version/names";
import { BeforePinwheel, VersionFacts, VersionMark } from "src/components/version/VersionFacts";

export function RunBindings({ dagId, run }: { dagId: string; run: Schemas["RunVersions"] }) {
  return (
    <Stack gap={4} data-testid="run-bindings">
      {run.mixed ? (
        <Alert.Root status="warning" size="sm">
          <Alert.Indicator />
          <Alert.Title>This run is mixed: its tasks ran on {run.used.length} versions</Alert.Title>
        </Alert.Root>
      ) : undefined}
      {run.before_pinwheel ? (
        <>
          <BeforePinwheel dagId={dagId} version={run.versions[run.version]} />
          <Text>
            Bundle version that Airflow gave the run: <Commit version={run.bundle_version} />
          </Text>
        </>
      ) : (
        <Table.Root size="sm" aria-label="Bindings">
          <Table.Header>
            <Table.Row>
              <Table.ColumnHeader>Bound</Table.ColumnHeader>
              <Table.ColumnHeader>Version</Table.ColumnHeader>
              <Table.ColumnHeader>Commit</Table.ColumnHeader>
              <Table.ColumnHeader>How</Table.ColumnHeader>
              <Table.ColumnHeader>By</Table.ColumnHeader>
            </Table.Row>
          </Table.Header>
          <Table.Body>
            {run.bindings.map((binding) => (
              <Table.Row key={binding.number}>
                <Table.Cell>
                  <Time at={binding.bound_at} as="absolute" />
                </Table.Cell>
                <Table.Cell>
                  <VersionMark keyName={binding.version} version={run.versions[binding.version]} active={binding.version === run.active} />
                </Table.Cell>
                <Table.Cell>
                  <Commit version={binding.bundle_version} url={run.versions[binding.version]?.url} />
                </Table.Cell>
                <Table.Cell>
                  {boundBy(binding.bound_by)}
                  {binding.number > 0 ? " (cleared)" : ""}
                </Table.Cell>
                <Table.Cell>{binding.actor ?? "–"}</Table.Cell>
              </Table.Row>
            ))}
          </Table.Body>
        </Table.Root>
      )}
      {run.used
        .map((key) => run.versions[key])
        .filter((version) => version !== undefined && version.kind !== "before" && version.kind !== "unknown")
        .map((version) => version && <VersionFacts key={version.key} dagId={dagId} version={version} active={version.key === run.active} />)}
    </Stack>
  );
}
