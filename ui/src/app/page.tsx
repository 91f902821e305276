/** What every page of ours stands in: queries, live changes, and states for loading and for failing. */
import { Box } from "@chakra-ui/react";
import { QueryClientProvider } from "@tanstack/react-query";
import { Suspense } from "react";
import type { FC } from "react";

import { ConnectionNotice } from "src/app/ConnectionNotice";
import { ErrorBoundary } from "src/app/ErrorBoundary";
import { Live } from "src/app/Live";
import { queryClient } from "src/app/queryClient";
import { Loading } from "src/components/states";

/** What Airflow gives a plugin's component. */
export interface HostProps {
  dagId?: string;
  runId?: string;
  taskId?: string;
  mapIndex?: string;
}

/** Airflow takes functions only, so lazy components are wrapped here. */
export function page(Content: FC<HostProps>): FC<HostProps> {
  return function PinwheelPage(props) {
    const where = [props.dagId, props.runId, props.taskId, props.mapIndex].join("\n");
    return (
      <QueryClientProvider client={queryClient}>
        <Live dagId={props.dagId} />
        <Box data-testid="pinwheel" p={props.dagId === undefined ? 2 : 0} pt={2} height="100%" overflowY="auto">
          <ConnectionNotice />
          <ErrorBoundary key={where}>
            <Suspense fallback={<Loading />}>
              <Content {...props} />
            </Suspense>
          </ErrorBoundary>
        </Box>
      </QueryClientProvider>
    );
  };
}
