/** How many rollouts wait for a person. */
import { Badge, VisuallyHidden } from "@chakra-ui/react";
import { useInfiniteQuery } from "@tanstack/react-query";

import { rolloutsQuery } from "src/api/rollouts";

/** Nothing while none does. */
export function WaitingCount() {
  const { data, hasNextPage } = useInfiniteQuery(rolloutsQuery({ states: ["live"], waitingFor: "person" }));
  const count = data?.pages.reduce((sum, { rollouts }) => sum + rollouts.length, 0) ?? 0;
  if (count === 0) return null;
  return (
    <Badge ml={2} colorPalette="orange" variant="solid">
      {count}
      {hasNextPage ? "+" : ""}
      <VisuallyHidden> wait for a person</VisuallyHidden>
    </Badge>
  );
}
