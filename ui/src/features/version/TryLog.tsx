/** The log of one try, as Airflow keeps it; also of tasks that no longer exist. */
import { Box, Button, chakra, HStack, Input, Stack, Text } from "@chakra-ui/react";
import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";

import { logQuery } from "src/api/runs";
import { Empty, Loaded } from "src/components/states";
import { useTimezone } from "src/components/time";
import { flat, grouped, isGroup } from "src/features/version/logLines";
import type { Line } from "src/features/version/logLines";

interface Props {
  dagId: string;
  runId: string;
  taskId: string;
  mapIndex: number;
  tryNumber: number;
  running: boolean;
}

const LEVELS: Record<string, string> = { error: "fg.error", critical: "fg.error", warning: "fg.warning" };

export function TryLog({ dagId, runId, taskId, mapIndex, tryNumber, running }: Props) {
  const log = useQuery(logQuery(dagId, runId, taskId, tryNumber, mapIndex, running));
  const name = [dagId, runId, taskId, ...(mapIndex < 0 ? [] : [mapIndex]), `try-${tryNumber}`].join(".");
  return (
    <Loaded query={log}>
      {({ content }) => (content.length === 0 ? <Empty title="This try has no log" /> : <LogText content={content} tryNumber={tryNumber} name={name} />)}
    </Loaded>
  );
}

interface TextProps {
  content: (string | Record<string, unknown>)[];
  tryNumber: number;
  /** Of the file that it is saved as. */
  name: string;
}

function LogText({ content, tryNumber, name }: TextProps) {
  const timezone = useTimezone();
  const [wanted, setWanted] = useState("");
  const found = useMemo(() => grouped(content, timezone), [content, timezone]);
  const lines = useMemo(() => flat(found), [found]);
  const low = wanted.trim().toLowerCase();
  const matching = low === "" ? undefined : lines.filter(({ text }) => text.toLowerCase().includes(low));
  return (
    <Stack gap={2}>
      <HStack wrap="wrap">
        <Input size="xs" width="16rem" type="search" aria-label="Search in the log" placeholder="Search in the log" value={wanted} onChange={(event) => setWanted(event.target.value)} />
        {matching === undefined ? undefined : (
          <Text role="status" fontSize="sm" color="fg.muted">
            {matching.length} of {lines.length} lines
          </Text>
        )}
        <Button size="xs" variant="outline" ml="auto" onClick={() => save(`${name}.log`, lines)}>
          Download
        </Button>
      </HStack>
      <Box
        role="log"
        aria-label={`Log of try ${tryNumber}`}
        data-testid="try-log"
        data-try={tryNumber}
        tabIndex={0}
        borderWidth="1px"
        borderRadius="md"
        p={2}
        fontFamily="mono"
        fontSize="xs"
        overflow="auto"
        maxHeight="60vh"
        whiteSpace="pre-wrap"
        overflowWrap="anywhere"
      >
        {matching !== undefined
          ? matching.map((line, number) => <Said key={number} line={line} />)
          : found.map((one, number) =>
              isGroup(one) ? (
                <details key={number} open={one.lines.some(({ level }) => (level ?? "") in LEVELS)}>
                  <chakra.summary cursor="pointer" color="fg.info">
                    {one.title}
                  </chakra.summary>
                  {one.lines.map((line, place) => (
                    <Said key={place} line={line} />
                  ))}
                </details>
              ) : (
                <Said key={number} line={one} />
              ),
            )}
      </Box>
    </Stack>
  );
}

function Said({ line }: { line: Line }) {
  return <chakra.div color={LEVELS[line.level ?? ""]}>{line.text}</chakra.div>;
}

function save(name: string, lines: Line[]) {
  const url = URL.createObjectURL(new Blob([lines.map(({ text }) => `${text}\n`).join("")], { type: "text/plain" }));
  const link = document.createElement("a");
  link.href = url;
  // What is no letter, digit, dot or dash in a name is changed by one browser and not by another.
  link.download = name.replaceAll(/[^\w.-]+/g, "_");
  link.click();
  URL.revokeObjectURL(url);
}
