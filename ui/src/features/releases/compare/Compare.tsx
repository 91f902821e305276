/** Two builds of the Dag side by side: structure first, or the files. Which two is in the URL. */
import { Alert, Box, Button, Code, HStack, NativeSelect, Stack, Text } from "@chakra-ui/react";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";

import { compareQuery } from "src/api/compare";
import { lineQuery } from "src/api/line";
import { assign, useAddress, writeAddress } from "src/components/address";
import { CopyButton } from "src/components/CopyButton";
import { Commit, VersionLabel } from "src/components/labels";
import { Loaded } from "src/components/states";
import { Time } from "src/components/time";
import { Files } from "src/features/releases/compare/Files";
import { Structure } from "src/features/releases/compare/Structure";
import { isSame } from "src/features/releases/compare/words";
import type { Comparison } from "src/features/releases/compare/words";
import { joined } from "src/features/releases/line";

export function Compare({ dagId }: { dagId: string }) {
  const params = useAddress();
  const query = useQuery(compareQuery(dagId, numberOf(params.get("from")), numberOf(params.get("to"))));
  return <Loaded query={query}>{(found) => <Shown dagId={dagId} found={found} />}</Loaded>;
}

function numberOf(text: string | null): number | undefined {
  const number = Number(text);
  return text !== null && Number.isInteger(number) && number > 0 ? number : undefined;
}

function Shown({ dagId, found }: { dagId: string; found: Comparison }) {
  const params = useAddress();
  const same = isSame(found.structure);
  const show = params.get("show") ?? (same ? "files" : "structure");
  const set = (values: Record<string, string | number | null>) =>
    writeAddress((address) => assign(address, values), { replace: true });
  const { from, to } = found;
  const changed = found.files.filter(({ change }) => change !== "same").length;
  return (
    <Stack gap={3}>
      <HStack gap={3} wrap="wrap" align="flex-start">
        <Side dagId={dagId} name="From" build={from} onPick={(build) => set({ from: build, to: to.build, file: null })} />
        <Button
          mt={6}
          size="sm"
          variant="outline"
          aria-label="Swap the two builds"
          onClick={() => set({ from: to.build, to: from.build })}
        >
          ⇄
        </Button>
        <Side dagId={dagId} name="To" build={to} onPick={(build) => set({ from: from.build, to: build, file: null })} />
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
  build: Comparison["from"];
  onPick: (build: number) => void;
}

function Side({ dagId, name, build, onPick }: SideProps) {
  const line = useInfiniteQuery(lineQuery(dagId));
  const known = joined(line.data?.pages ?? []).builds.filter((one) => one.build !== null && one.build !== build.build);
  return (
    <Box minWidth="15rem">
      <Text as="label" fontSize="sm" fontWeight="bold" display="block">
        {name}
        <NativeSelect.Root size="sm">
          <NativeSelect.Field aria-label={name} value={String(build.build)} onChange={(event) => onPick(Number(event.target.value))}>
            {[build, ...known]
              .sort((a, b) => (b.build ?? 0) - (a.build ?? 0))
              .map((one) => (
                <option key={one.build} value={String(one.build)}>
                  Build {one.build}
                  {one.label === null ? "" : ` · ${one.label}`}
                  {one.releases.length > 0 ? "" : " · never released"}
                </option>
              ))}
          </NativeSelect.Field>
          <NativeSelect.Indicator />
        </NativeSelect.Root>
      </Text>
      <HStack gap={2} fontSize="sm" mt={1}>
        <Commit version={build.bundle_version} url={build.url} />
        {build.label === null ? undefined : <VersionLabel label={build.label} />}
        <Text color="fg.muted">
          <Time at={build.created_at} />
        </Text>
      </HStack>
      <Text fontSize="sm" color="fg.muted" lineClamp={1} maxWidth="24rem">
        {(build.message ?? "").split("\n", 1)[0]}
      </Text>
    </Box>
  );
}
