/** Unpinned, a rejected build is still not released: who rejected it, what is waited for, and the way to release it all the same. */
import { Alert, Button, Text } from "@chakra-ui/react";

import type { Schemas } from "src/api/schemas";
import { HowRejected, rejectionIn } from "src/components/Rejected";
import { knownIn } from "src/features/change/places";

interface Props {
  status: Schemas["DagStatus"] | undefined;
  pages: Schemas["Line"][];
  onRelease: (build: number) => void;
}

export function StillRejected({ status, pages, onRelease }: Props) {
  const rejection = status === undefined ? undefined : rejectionIn(status.holds);
  const build = status?.newest_build;
  if (rejection === undefined || build === null || build === undefined) return undefined;
  return (
    <Alert.Root status="warning" data-testid="still-rejected">
      <Alert.Indicator />
      <Alert.Content>
        <Alert.Title>
          {status?.active_build === build ? "A newer version of build" : "Build"} {build} <HowRejected rejection={rejection} releases={knownIn(pages).releases} />
        </Alert.Title>
        <Alert.Description>
          <Text>Unpinning does not release it. The next build that is not rejected is released by itself.</Text>
          {status?.active_build === build ? undefined : (
            <Button mt={2} size="sm" variant="outline" colorPalette="danger" onClick={() => onRelease(build)}>
              Release build {build} all the same…
            </Button>
          )}
        </Alert.Description>
      </Alert.Content>
    </Alert.Root>
  );
}
