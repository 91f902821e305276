/** A Dag's tasks drawn as a graph. The library that lays it out is loaded when the first one is shown. */
import { Box } from "@chakra-ui/react";
import { Suspense, lazy } from "react";
import type { ComponentProps } from "react";

import type Drawing from "src/components/graph/Drawing";
import { Loading } from "src/components/states";

const Lazy = lazy(() => import("src/components/graph/Drawing"));

export function TaskGraph(props: ComponentProps<typeof Drawing>) {
  return (
    <Suspense
      fallback={
        <Box height="240px">
          <Loading rows={4} label="Drawing the graph" />
        </Box>
      }
    >
      <Lazy {...props} />
    </Suspense>
  );
}
