/** Who changed the timeline, when and why: every revision with all its eras, folded until it is asked for. */
import { Box, Button, List, Stack, Text } from "@chakra-ui/react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { timelineHistoryQuery } from "src/api/timeline";
import { Loaded } from "src/components/states";
import { Time } from "src/components/time";
import { spanWords } from "src/features/timeline/words";

export function Revisions({ dagId, newest }: { dagId: string; newest: number }) {
  const [open, setOpen] = useState(false);
  if (newest === 0) return null;
  return (
    <Stack gap={2} align="flex-start">
      <Button size="sm" variant="plain" px={0} aria-expanded={open} onClick={() => setOpen(!open)}>
        {open ? "Hide the revisions" : newest === 1 ? "Show the only revision" : `Show all ${newest} revisions`}
      </Button>
      {open ? <All dagId={dagId} /> : undefined}
    </Stack>
  );
}

function All({ dagId }: { dagId: string }) {
  const history = useQuery(timelineHistoryQuery(dagId));
  return (
    <Loaded query={history} rows={2}>
      {({ revisions }) => (
        <List.Root gap={3} listStyle="none" aria-label="Revisions">
          {revisions.map(({ revision, verb, at, actor, reason, eras }) => (
            <List.Item key={revision}>
              <Text>
                <b>Revision {revision}</b> ({verb}) by {actor} <Time at={at} />
                {reason === null || reason === "" ? "" : `: ${reason}`}
              </Text>
              <Box fontSize="sm" color="fg.muted">
                {eras.length === 0
                  ? "no era"
                  : eras.map((era) => (
                      <Text key={`${era.starts_at}`}>
                        {spanWords({ from: era.from, until: era.until })} build {era.build} at {era.bundle_version.slice(0, 8)}
                      </Text>
                    ))}
              </Box>
            </List.Item>
          ))}
        </List.Root>
      )}
    </Loaded>
  );
}
