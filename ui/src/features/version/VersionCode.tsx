/** The code of one version: every file that the Dag used, as it was. */
import { Alert, Box, Button, Flex, Stack, Text } from "@chakra-ui/react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { buildQuery, fileQuery } from "src/api/builds";
import type { Version } from "src/api/versions";
import { CodeView } from "src/components/code/CodeView";
import { Empty, Loaded } from "src/components/states";
import { fullNameOf } from "src/components/version/names";
import { BeforePinwheel } from "src/components/version/VersionFacts";

export function VersionCode({ dagId, version }: { dagId: string; version: Version }) {
  if (version.build === null) return <BeforePinwheel dagId={dagId} version={version} />;
  return <BuildCode dagId={dagId} version={version} build={version.build} />;
}

function BuildCode({ dagId, version, build }: { dagId: string; version: Version; build: number }) {
  const found = useQuery(buildQuery(dagId, build, version.digest));
  const [chosen, setChosen] = useState<string>();
  return (
    <Loaded query={found}>
      {(data) => {
        const paths = data.files.map(({ path }) => path);
        const own = version.path ?? paths[0] ?? "";
        const ordered = [...paths.filter((path) => path === own), ...paths.filter((path) => path !== own)];
        const path = chosen !== undefined && paths.includes(chosen) ? chosen : (ordered[0] ?? "");
        if (path === "") return <Empty title="No files are kept of this build" />;
        return (
          <Stack gap={2} data-testid="version-code" data-build={build} data-path={path}>
            <Text color="fg.muted" fontSize="sm">
              {fullNameOf(version)}: {ordered.length === 1 ? "one file" : `${ordered.length} files`} used
            </Text>
            {data.untraced ? (
              <Alert.Root status="info" size="sm">
                <Alert.Indicator />
                <Alert.Title>Taken over from Airflow: only the Dag&apos;s own file is known of this build</Alert.Title>
              </Alert.Root>
            ) : undefined}
            <Flex gap={3} align="flex-start" direction={{ base: "column", xl: "row" }}>
              <Stack as="nav" aria-label="Files" gap={0.5} maxHeight="60vh" overflowY="auto" flexShrink={0} maxWidth="full">
                {ordered.map((name) => (
                  <Button
                    key={name}
                    size="xs"
                    variant={name === path ? "subtle" : "ghost"}
                    justifyContent="flex-start"
                    aria-pressed={name === path}
                    onClick={() => setChosen(name)}
                  >
                    {name}
                  </Button>
                ))}
              </Stack>
              <Box flex={1} minWidth={0} width="full">
                <FileText dagId={dagId} build={build} digest={data.digest} path={path} />
              </Box>
            </Flex>
          </Stack>
        );
      }}
    </Loaded>
  );
}

const WHY: Record<string, string> = {
  binary: "This file is not text",
  "too large": "This file is too large to be shown",
  "not kept": "The content of this file was not kept",
};

function FileText({ dagId, build, digest, path }: { dagId: string; build: number; digest: string | null; path: string }) {
  const file = useQuery(fileQuery(dagId, build, digest, path));
  return (
    <Loaded query={file}>
      {({ to }) =>
        to?.text === null || to?.text === undefined ? (
          <Empty title={WHY[to?.why_not ?? ""] ?? "There is no text to show"} />
        ) : (
          <CodeView text={to.text} path={path} label={`${path} of build ${build}`} />
        )
      }
    </Loaded>
  );
}
