/** All there is to say of one version. */
import { Alert, Badge, DataList, HStack, Text } from "@chakra-ui/react";
import type { ReactNode } from "react";

import type { Version } from "src/api/versions";
import { BuildLabel, Commit, Kind, PageLink, ReleaseLabel } from "src/components/labels";
import { Time } from "src/components/time";
import { nameOf } from "src/components/version/names";

/** A version's name as a small mark. */
export function VersionMark({ version, keyName, active = false }: { version: Version | undefined; keyName: string; active?: boolean }) {
  const odd = version === undefined || version.kind === "before" || version.kind === "unknown";
  return (
    <Badge variant={odd ? "outline" : "subtle"} colorPalette={odd ? "gray" : active ? "green" : "blue"}>
      {nameOf(version, keyName)}
    </Badge>
  );
}

/** Why nothing more is said of a run from before Pinwheel. */
export function BeforePinwheel({ dagId, version }: { dagId: string; version: Version | undefined }) {
  return (
    <Alert.Root status="info" size="sm">
      <Alert.Indicator />
      <Alert.Content>
        <Alert.Title>{version?.kind === "unknown" ? "This version is not known any more" : "This ran before Pinwheel"}</Alert.Title>
        <Alert.Description>
          Nothing proves which code was executed, so none is shown as if it were.{" "}
          {version?.kind === "before" ? (
            <>
              Airflow may have changed what it stores since:{" "}
              <PageLink to={`/dags/${encodeURIComponent(dagId)}/code?version_number=${version.airflow_version}`}>
                see it in Airflow&apos;s Code tab
              </PageLink>
              .
            </>
          ) : undefined}
        </Alert.Description>
      </Alert.Content>
    </Alert.Root>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <DataList.Item>
      <DataList.ItemLabel minWidth="8rem">{name}</DataList.ItemLabel>
      <DataList.ItemValue>{children}</DataList.ItemValue>
    </DataList.Item>
  );
}

export function VersionFacts({ dagId, version, active }: { dagId: string; version: Version; active: boolean }) {
  if (version.kind === "before" || version.kind === "unknown") return <BeforePinwheel dagId={dagId} version={version} />;
  return (
    <DataList.Root orientation="horizontal" size="md" gap={2} data-testid={`version-${version.key}`}>
      <Fact name="Release">
        {version.release === null ? (
          <Text>Never released: tried once</Text>
        ) : (
          <HStack wrap="wrap">
            <ReleaseLabel release={version.release} active={active} />
            {version.release_kind === null ? undefined : <Kind kind={version.release_kind} />}
            <span>
              by {version.released_by} <Time at={version.released_at} />
            </span>
          </HStack>
        )}
      </Fact>
      {version.reason === null ? undefined : <Fact name="Reason">{version.reason}</Fact>}
      <Fact name="Build">
        <BuildLabel build={version.build} label={version.label} />
      </Fact>
      <Fact name="Commit">
        <HStack wrap="wrap">
          <Commit version={version.bundle_version} url={version.url} />
          <span>
            {version.author ?? "unknown author"}
            {version.message === null ? "" : `: ${version.message.split("\n")[0]}`}
          </span>
          {version.committed_at === null ? undefined : <Time at={version.committed_at} />}
        </HStack>
      </Fact>
      <Fact name="Bundle">
        {version.bundle}, {version.path}
      </Fact>
    </DataList.Root>
  );
}
