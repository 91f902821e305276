/** On Airflow's Home: what is wrong with releases, each a link to these Dags; read only. */
import { Badge, Heading, HStack, Text } from "@chakra-ui/react";
import { useQuery } from "@tanstack/react-query";

import { fleetCountsQuery } from "src/api/fleet";
import { PageLink } from "src/components/labels";

const SHOWN = [
  { state: "failing", words: "failing since release", palette: "failed" },
  { state: "broken", words: "broken", palette: "red" },
  { state: "held", words: "held", palette: "orange" },
] as const;

export default function HomeCard() {
  const { data: counts } = useQuery(fleetCountsQuery());
  // Nothing rather than an error: Home is about something else.
  if (counts === undefined || counts.all === 0) return null;
  const wrong = SHOWN.filter(({ state }) => counts[state] > 0);
  return (
    <HStack gap={3} wrap="wrap" borderWidth="1px" borderRadius="md" px={4} py={3} role="region" aria-label="Releases" data-testid="home-card">
      <Heading size="sm" as="h3">
        Releases
      </Heading>
      {wrong.map(({ state, words, palette }) => (
        <PageLink key={state} to={`/plugin/releases?${state}=true`}>
          <Badge colorPalette={palette} variant={state === "failing" ? "solid" : "subtle"} size="md">
            {counts[state]} {words}
          </Badge>
        </PageLink>
      ))}
      {wrong.length === 0 ? <Text color="fg.muted">No Dag is failing since its release, broken or held.</Text> : undefined}
    </HStack>
  );
}
