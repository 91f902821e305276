/**
 * What a link from outside names (`pinwheel.sdk.release_url`): a run, and mostly a task of it. Which release that is
 * nobody knows where the link was made; here it is looked up.
 */
import { Box, HStack, IconButton, Spacer, Stack, Text } from "@chakra-ui/react";
import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";

import { runVersionsQuery, taskQuery } from "src/api/runs";
import type { Version } from "src/api/versions";
import { assign, useAddress, writeAddress } from "src/components/address";
import { CrossIcon } from "src/components/icons";
import { Commit, PageLink, State } from "src/components/labels";
import { Loaded } from "src/components/states";
import { VersionMark } from "src/components/version/VersionFacts";
import { FailureBar, hasFailed } from "src/features/version";

const NAMES = ["run_id", "task_id", "map_index", "try_number"] as const;

export function FromOutside({ dagId }: { dagId: string }) {
  const params = useAddress();
  const [runId, taskId] = [params.get("run_id"), params.get("task_id")];
  if (runId === null || runId === "") return null;
  return (
    <Box borderWidth="1px" borderRadius="md" p={3} mb={3} role="region" aria-label="What the link is about" data-testid="from-outside">
      {taskId === null || taskId === "" ? (
        <OfRun key={runId} dagId={dagId} runId={runId} />
      ) : (
        <OfTask key={runId} dagId={dagId} runId={runId} taskId={taskId} mapIndex={numberOf(params.get("map_index")) ?? -1} tryNumber={numberOf(params.get("try_number"))} />
      )}
    </Box>
  );
}

function numberOf(text: string | null): number | undefined {
  return text !== null && /^[0-9]{1,9}$/.test(text) ? Number(text) : undefined;
}

function OfRun({ dagId, runId }: { dagId: string; runId: string }) {
  const run = useQuery(runVersionsQuery(dagId, runId));
  return (
    <Loaded query={run} rows={1}>
      {({ state, version, versions, active }) => (
        <Told dagId={dagId} runId={runId} state={state} version={versions[version]} keyName={version} active={active}>
          Run <PageLink to={runPath(dagId, runId)}>{runId}</PageLink>
        </Told>
      )}
    </Loaded>
  );
}

interface TaskProps {
  dagId: string;
  runId: string;
  taskId: string;
  mapIndex: number;
  tryNumber: number | undefined;
}

function OfTask({ dagId, runId, taskId, mapIndex, tryNumber }: TaskProps) {
  const task = useQuery(taskQuery(dagId, runId, taskId, mapIndex));
  const mapped = mapIndex < 0 ? "" : `/mapped/${mapIndex}`;
  const path = `${runPath(dagId, runId)}/tasks/${encodeURIComponent(taskId)}${mapped}`;
  return (
    <Loaded query={task} rows={1}>
      {({ state, tries, version, versions, active }) => {
        const one = tries.find(({ try_number: number }) => number === tryNumber);
        const key = one?.version ?? version;
        return (
          <Told dagId={dagId} runId={runId} state={one?.state ?? state} version={versions[key]} keyName={key} active={active}>
            {one === undefined ? "" : `Try ${one.try_number} of `}task <PageLink to={path}>{mapIndex < 0 ? taskId : `${taskId} [${mapIndex}]`}</PageLink> of run{" "}
            <PageLink to={runPath(dagId, runId)}>{runId}</PageLink>
          </Told>
        );
      }}
    </Loaded>
  );
}

function runPath(dagId: string, runId: string): string {
  return `/dags/${encodeURIComponent(dagId)}/runs/${encodeURIComponent(runId)}`;
}

interface ToldProps {
  dagId: string;
  runId: string;
  state: string | null;
  version: Version | undefined;
  keyName: string;
  active: string | null;
  children: ReactNode;
}

function Told({ dagId, runId, state, version, keyName, active, children }: ToldProps) {
  const close = () => writeAddress((address) => assign(address, Object.fromEntries(NAMES.map((name) => [name, null]))), { replace: true });
  return (
    <Stack gap={2}>
      <HStack gap={2} align="flex-start">
        <Box overflowWrap="anywhere">
          <Text as="span">{children} </Text>
          <State state={state} /> ran on <VersionMark keyName={keyName} version={version} active={keyName === active} />{" "}
          {version === undefined ? undefined : <Commit version={version.bundle_version} url={version.url} />}
        </Box>
        <Spacer />
        <IconButton size="2xs" variant="ghost" aria-label="Close what the link is about" onClick={close}>
          <CrossIcon />
        </IconButton>
      </HStack>
      <FailureBar dagId={dagId} runId={runId} version={version} failed={hasFailed(state)} />
    </Stack>
  );
}
