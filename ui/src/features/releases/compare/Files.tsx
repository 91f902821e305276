import { Badge, Box, Button, Grid, HStack, Stack, Text } from "@chakra-ui/react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { comparedFileQuery } from "src/api/compare";
import { CodeView, DiffView } from "src/components/code/CodeView";
import { Empty, Loaded } from "src/components/states";
import type { Comparison } from "src/features/releases/compare/words";

const COLOURS: Record<string, string> = { added: "green", removed: "red", modified: "orange" };

interface Props {
  dagId: string;
  found: Comparison;
  path: string | null;
  view: string | null;
  onSet: (values: Record<string, string | null>) => void;
}

/** Every file that the Dag used, and one of them as both builds had it. */
export function Files({ dagId, found, path, view, onSet }: Props) {
  const changed = found.files.filter(({ change }) => change !== "same");
  const same = found.files.filter(({ change }) => change === "same");
  const chosen = found.files.find((file) => file.path === path) ?? changed[0] ?? same[0];
  const [all, setAll] = useState(chosen?.change === "same");
  if (chosen === undefined) return <Empty title="No file of these builds is known" />;
  return (
    <Grid templateColumns={{ base: "1fr", lg: "minmax(14rem, 20rem) minmax(0, 1fr)" }} gap={3}>
      <Stack as="nav" aria-label="Files" gap={1} maxHeight="70vh" overflowY="auto">
        {changed.length === 0 ? <Text color="fg.muted">Every file is the same.</Text> : undefined}
        {[...changed, ...(all ? same : [])].map((file) => (
          <Button
            key={file.path}
            size="sm"
            variant={file === chosen ? "subtle" : "ghost"}
            aria-current={file === chosen ? "true" : undefined}
            justifyContent="flex-start"
            height="auto"
            py={1}
            onClick={() => onSet({ file: file.path })}
          >
            <Badge colorPalette={COLOURS[file.change] ?? "gray"}>{file.change}</Badge>
            <Text as="span" whiteSpace="normal" wordBreak="break-all" textAlign="left">
              {file.path}
              {file.read_at_parse ? (
                <Text as="span" color="fg.muted" title="The parse of the file read it; the Dag holds nothing of it.">
                  {" "}
                  read at parse
                </Text>
              ) : undefined}
            </Text>
          </Button>
        ))}
        {same.length > 0 && !all ? (
          <Button size="xs" variant="outline" onClick={() => setAll(true)}>
            Show {same.length} unchanged
          </Button>
        ) : undefined}
      </Stack>
      <OneFile dagId={dagId} found={found} path={chosen.path} view={view} onSet={onSet} />
    </Grid>
  );
}

function OneFile({ dagId, found, path, view, onSet }: Props & { path: string }) {
  const { from, to } = found;
  const query = useQuery(comparedFileQuery(dagId, from, to, path));
  const [whole, setWhole] = useState(false);
  const sideBySide = view !== "inline";
  return (
    <Box minWidth={0}>
      <HStack mb={2} wrap="wrap">
        <Text fontWeight="bold" wordBreak="break-all">
          {path}
        </Text>
        <HStack gap={0} role="group" aria-label="How to compare" ml="auto">
          <Button size="xs" variant={sideBySide ? "solid" : "outline"} aria-pressed={sideBySide} onClick={() => onSet({ diff: null })}>
            Side by side
          </Button>
          <Button size="xs" variant={sideBySide ? "outline" : "solid"} aria-pressed={!sideBySide} onClick={() => onSet({ diff: "inline" })}>
            Inline
          </Button>
        </HStack>
        <Button size="xs" variant="outline" aria-pressed={whole} onClick={() => setWhole(!whole)}>
          {whole ? "Only changes" : "Whole file"}
        </Button>
      </HStack>
      <Loaded query={query}>
        {(file) => {
          const why = [whyNot(file.from, from.build), whyNot(file.to, to.build)].filter((text) => text !== undefined);
          if (why.length > 0) return <Empty title={why.join(" ")} />;
          const text = file.to?.text ?? file.from?.text ?? "";
          if (file.change === "same") return <CodeView text={text} path={path} label={`${path}, the same in both builds`} />;
          return (
            <DiffView
              path={path}
              before={file.from?.text ?? ""}
              after={file.to?.text ?? ""}
              from={`build ${from.build}`}
              to={`build ${to.build}`}
              sideBySide={sideBySide}
              whole={whole}
            />
          );
        }}
      </Loaded>
    </Box>
  );
}

const WHY: Record<string, string> = {
  binary: "is no text",
  "not kept": "was not kept",
  "too large": "is too large to show",
};

function whyNot(side: { why_not: string | null } | null, build: number | null): string | undefined {
  if (side === null || side.why_not === null) return undefined;
  return `The file of build ${build} ${WHY[side.why_not] ?? side.why_not}.`;
}
