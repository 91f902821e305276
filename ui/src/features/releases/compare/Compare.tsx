/** Two builds of the Dag side by side, by their releases or by runs: structure first, or the files. Which two is in the URL. */
import { Alert, Box, Button, Code, HStack, NativeSelect, Stack, Text } from "@chakra-ui/react";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";

import { compareQuery } from "src/api/compare";
import type { Sides } from "src/api/compare";
import { lineQuery } from "src/api/line";
import { assign, useAddress, writeAddress } from "src/components/address";
import { CopyButton } from "src/components/CopyButton";
import { Commit, PageLink, VersionLabel } from "src/components/labels";
import { commitWords } from "src/components/released";
import { Loaded } from "src/components/states";
import { Time } from "src/components/time";
import { Files } from "src/features/releases/compare/Files";
import { optionsOf, sidesIn, valueOf } from "src/features/releases/compare/sides";
import { Structure } from "src/features/releases/compare/Structure";
import { isSame } from "src/features/releases/compare/words";
import type { Comparison } from "src/features/releases/compare/words";
import { joined } from "src/features/releases/line";

export function Compare({ dagId }: { dagId: string }) {
  const sides = sidesIn(useAddress());
  const query = useQuery(compareQuery(dagId, sides));
  return <Loaded query={query}>{(found) => <Shown dagId={dagId} found={found} sides={sides} />}</Loaded>;
}

function Shown({ dagId, found, sides }: { dagId: string; found: Comparison; sides: Sides }) {
  const params = useAddress();
  const same = isSame(found.structure);
  const show = params.get("show") ?? (same ? "files" : "structure");
  const set = (values: Record<string, string | number | null>) =>
    writeAddress((address) => assign(address, values), { replace: true });
  const { from, to } = found;
  const [one, other] = [valueOf(from, sides.from), valueOf(to, sides.to)];
  const pick = (chosen: { from?: string; to?: string }) =>
    set({ from: chosen.from ?? one, to: chosen.to ?? other, from_run: null, to_run: null, file: null });
  const changed = found.files.filter(({ change }) => change !== "same").length;
  return (
    <Stack gap={3}>
      <HStack gap={3} wrap="wrap" align="flex-start">
        <Side dagId={dagId} name="From" value={one} build={from} runId={sides.from_run} onPick={(side) => pick({ from: side })} />
        <Button mt={6} size="sm" variant="outline" aria-label="Swap the two builds" onClick={() => pick({ from: other, to: one })}>
          ⇄
        </Button>
        <Side dagId={dagId} name="To" value={other} build={to} runId={sides.to_run} onPick={(side) => pick({ to: side })} />
        <HStack flex={1} justify="flex-end" mt={6} minWidth={0}>
          <Code truncate title={found.command}>
            {found.command}
          </Code>
          <CopyButton text={found.command}>Copy command</CopyButton>
        </HStack>
      </HStack>
      {found.warnings.map((warning) => (
        <Alert.Root key={warning} status="warning">
          <Alert.Indicator />
          <Alert.Title>{warning}</Alert.Title>
        </Alert.Root>
      ))}
      {found.untraced ? (
        <Alert.Root status="info">
          <Alert.Indicator />
          <Alert.Title>One of the builds is from before Pinwheel: of its files only the Dag&apos;s own is known.</Alert.Title>
        </Alert.Root>
      ) : undefined}
      <HStack gap={0} role="group" aria-label="What to compare">
        <Button size="sm" variant={show === "files" ? "outline" : "solid"} aria-pressed={show !== "files"} onClick={() => set({ show: "structure" })}>
          Structure{same ? " (the same)" : ""}
        </Button>
        <Button size="sm" variant={show === "files" ? "solid" : "outline"} aria-pressed={show === "files"} onClick={() => set({ show: "files" })}>
          Files ({changed} changed)
        </Button>
      </HStack>
      {show === "files" ? (
        <Files dagId={dagId} found={found} path={params.get("file")} view={params.get("diff")} onSet={set} />
      ) : (
        <Structure found={found} />
      )}
    </Stack>
  );
}

interface SideProps {
  dagId: string;
  name: string;
  value: string;
  build: Comparison["from"];
  /** The run that stands for the build. */
  runId: string | undefined;
  onPick: (side: string) => void;
}

function Side({ dagId, name, value, build, runId, onPick }: SideProps) {
  const line = useInfiniteQuery(lineQuery(dagId));
  const known = joined(line.data?.pages ?? []);
  return (
    <Box minWidth="15rem">
      <Text as="label" fontSize="sm" fontWeight="bold" display="block">
        {name}
        <NativeSelect.Root size="sm">
          <NativeSelect.Field aria-label={name} value={value} onChange={(event) => onPick(event.target.value)}>
            {optionsOf(known.releases, known.builds, build).map((option) => (
              <option key={option.value} value={option.value}>
                {option.text}
              </option>
            ))}
          </NativeSelect.Field>
          <NativeSelect.Indicator />
        </NativeSelect.Root>
      </Text>
      {runId === undefined ? undefined : (
        <Text fontSize="sm" mt={1} overflowWrap="anywhere" maxWidth="24rem">
          Run <PageLink to={`/dags/${encodeURIComponent(dagId)}/runs/${encodeURIComponent(runId)}`}>{runId}</PageLink>
        </Text>
      )}
      <HStack gap={2} fontSize="sm" mt={1}>
        <Commit version={build.bundle_version} url={build.url} />
        {build.label === null ? undefined : <VersionLabel label={build.label} />}
        <Text color="fg.muted">
          <Time at={build.created_at} />
        </Text>
      </HStack>
      <Text fontSize="sm" color="fg.muted" lineClamp={1} maxWidth="24rem">
        {commitWords(build.author, build.message)}
      </Text>
    </Box>
  );
}
