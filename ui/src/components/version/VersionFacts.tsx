/** All there is to say of one version. */
import { Alert, Badge, Box, DataList, HStack, Text } from "@chakra-ui/react";
import type { ReactNode } from "react";

import type { Version } from "src/api/versions";
import { author } from "src/components/author";
import { BuildLabel, Commit, Kind, LineLink, PageLink, ReleaseLabel } from "src/components/labels";
import { ownReason, ReleasedBy, subject } from "src/components/released";
import { Time } from "src/components/time";
import { anchorOf, nameOf } from "src/components/version/names";

/** A version's name as a small mark. */
export function VersionMark({ version, keyName, active = false }: { version: Version | undefined; keyName: string; active?: boolean }) {
  const odd = version === undefined || version.kind === "before" || version.kind === "unknown";
  const anchor = anchorOf(version);
  const name = nameOf(version, keyName);
  return (
    <Badge variant={odd ? "outline" : "subtle"} colorPalette={odd ? "gray" : active ? "green" : "blue"}>
      {anchor === undefined ? name : <LineLink anchor={anchor}>{name}</LineLink>}
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
    <DataList.Item alignItems="flex-start">
      <DataList.ItemLabel minWidth="8rem">{name}</DataList.ItemLabel>
      <DataList.ItemValue>{children}</DataList.ItemValue>
    </DataList.Item>
  );
}

export function VersionFacts({ dagId, version, active }: { dagId: string; version: Version; active: boolean }) {
  if (version.kind === "before" || version.kind === "unknown") return <BeforePinwheel dagId={dagId} version={version} />;
  const reason = ownReason(version.reason, version.message);
  return (
    <DataList.Root orientation="horizontal" size="md" gap={2} data-testid={`version-${version.key}`}>
      <Fact name="Release">
        {version.release === null ? (
          <Text>Never released: {nameOf(version)}</Text>
        ) : (
          <HStack wrap="wrap">
            <ReleaseLabel release={version.release} active={active} />
            {version.release_kind === null ? undefined : <Kind kind={version.release_kind} />}
            <span>
              <ReleasedBy kind={version.release_kind} actor={version.released_by} at={version.released_at} />
            </span>
            <Text color="fg.muted">Airflow calls it v{version.release}.</Text>
          </HStack>
        )}
      </Fact>
      {reason === null ? undefined : <Fact name="Reason">{reason}</Fact>}
      <Fact name="Build">
        <BuildLabel build={version.build} label={version.label} />
      </Fact>
      {version.absent === null || version.absent === undefined || version.absent.length === 0 ? undefined : (
        <Fact name="Left out">
          <Text overflowWrap="anywhere">{version.absent.join(", ")}: no place at the dates of these runs</Text>
        </Fact>
      )}
      <Fact name="Commit">
        <Box overflowWrap="anywhere">
          <Commit version={version.bundle_version} url={version.url} /> {author(version.author) || "unknown author"}
          {version.message === null ? "" : `: ${subject(version.message)}`}{" "}
          {version.committed_at === null ? undefined : <Time at={version.committed_at} />}
        </Box>
      </Fact>
      <Fact name="Bundle">
        {version.bundle}, {version.path}
      </Fact>
    </DataList.Root>
  );
}
