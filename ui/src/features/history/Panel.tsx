/** The frame of what is chosen: what it is, what can be done, and its views. */
import { Box, Flex, Heading, Stack } from "@chakra-ui/react";
import type { ReactNode } from "react";

import type { Version } from "src/api/versions";
import { Choice } from "src/components/Choice";
import { nameOf } from "src/components/version/names";
import { useChoice } from "src/features/history/useChoice";

const VIEWS: Record<string, string> = { graph: "Graph", code: "Code", log: "Log", versions: "Versions" };

interface Props {
  title: ReactNode;
  marks: ReactNode;
  actions: ReactNode;
  views: string[];
  view: string;
  children: ReactNode;
  label: string;
}

export function Panel({ title, marks, actions, views, view, children, label }: Props) {
  const { choose } = useChoice();
  return (
    <Stack as="section" aria-label={label} gap={3} borderTopWidth="1px" pt={3} data-testid="history-panel">
      <Flex wrap="wrap" gap={3} align="center">
        <Heading size="sm">{title}</Heading>
        {marks}
        <Box ml="auto">{actions}</Box>
      </Flex>
      <Choice label="Show" value={view} options={views.map((value) => ({ value, label: VIEWS[value] ?? value }))} onChange={(value) => choose({ view: value })} />
      {children}
    </Stack>
  );
}

/** The toggle between versions when several took part. */
export function VersionToggle({ used, versions, value }: { used: string[]; versions: Record<string, Version>; value: string }) {
  const { choose } = useChoice();
  if (used.length < 2) return null;
  return (
    <Choice
      label="Version"
      value={value}
      options={used.map((key) => ({ value: key, label: nameOf(versions[key], key) }))}
      onChange={(version) => choose({ version })}
    />
  );
}
