import { Alert, Stack, Text } from "@chakra-ui/react";

import type { Schemas } from "src/api/schemas";
import { Commit } from "src/components/labels";
import { Time } from "src/components/time";

const SHOWN = 5;
const WHAT: Record<Schemas["TroubledBundle"]["state"], string> = {
  ok: "is well",
  refused: "has a newer version that was refused",
  failing: "fails",
  cannot_be_made: "cannot be made",
  not_configured: "is not configured",
};

/** Says which bundles are not well, and why: what is released goes on, but nothing new may come of them. */
export function TroubledBundles({ bundles }: { bundles: readonly Schemas["TroubledBundle"][] }) {
  if (bundles.length === 0) return null;
  return (
    <Stack gap={2} mb={3} role="status" aria-label="Bundles that are not well">
      {bundles.slice(0, SHOWN).map(({ name, state, problem }) => (
        <Alert.Root key={name} status="warning" alignItems="flex-start" data-testid={`bundle-${name}`}>
          <Alert.Indicator />
          <Alert.Content>
            <Alert.Title>
              Bundle {name} {WHAT[state]}
              {problem.version === null ? undefined : (
                <>
                  {": "}
                  <Commit version={problem.version} />
                </>
              )}
              {problem.since === null ? undefined : (
                <>
                  , <Time at={problem.since} />
                </>
              )}
            </Alert.Title>
            <Alert.Description>
              <Text lineClamp={4} whiteSpace="pre-wrap" overflowWrap="anywhere" unicodeBidi="isolate" title={problem.reason ?? undefined}>
                {problem.reason ?? "You may not see why."}
              </Text>
            </Alert.Description>
          </Alert.Content>
        </Alert.Root>
      ))}
      {bundles.length > SHOWN ? <Text>And {bundles.length - SHOWN} more.</Text> : undefined}
    </Stack>
  );
}
