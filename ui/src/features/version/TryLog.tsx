/** The log of one try, as Airflow keeps it; also of tasks that no longer exist. */
import { Box, chakra } from "@chakra-ui/react";
import { useQuery } from "@tanstack/react-query";

import { logQuery } from "src/api/runs";
import { Empty, Loaded } from "src/components/states";
import { absolute, useTimezone } from "src/components/time";

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
  const timezone = useTimezone();
  return (
    <Loaded query={log}>
      {({ content }) =>
        content.length === 0 ? (
          <Empty title="This try has no log" />
        ) : (
          <Box
            as="pre"
            role="log"
            aria-label={`Log of try ${tryNumber}`}
            data-testid="try-log"
            data-try={tryNumber}
            tabIndex={0}
            borderWidth="1px"
            borderRadius="md"
            p={2}
            fontSize="xs"
            overflow="auto"
            maxHeight="60vh"
            whiteSpace="pre-wrap"
          >
            {content.map((line, number) => {
              if (typeof line === "string") return <div key={number}>{line}</div>;
              const { timestamp, event, level } = line as { timestamp?: string; event?: unknown; level?: string };
              return (
                <chakra.div key={number} color={LEVELS[level ?? ""]}>
                  {typeof timestamp === "string" && !Number.isNaN(Date.parse(timestamp)) ? `[${absolute(timestamp, timezone)}] ` : ""}
                  {typeof event === "string" ? event : JSON.stringify(event ?? line)}
                </chakra.div>
              );
            })}
          </Box>
        )
      }
    </Loaded>
  );
}
