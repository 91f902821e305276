/** What every page of ours stands in: queries, live changes, and states for loading and for failing. */
import { Box } from "@chakra-ui/react";
import { QueryClientProvider } from "@tanstack/react-query";
import { Suspense, useEffect, useRef } from "react";
import type { FC, ReactNode } from "react";

import { ConnectionNotice } from "src/app/ConnectionNotice";
import { ErrorBoundary } from "src/app/ErrorBoundary";
import { Live } from "src/app/Live";
import { queryClient } from "src/app/queryClient";
import { DagScope } from "src/components/dag";
import { Loading } from "src/components/states";
import { dialogIsOpen } from "src/components/useShortcut";

/** What Airflow gives a plugin's component. */
export interface HostProps {
  dagId?: string;
  runId?: string;
  taskId?: string;
  mapIndex?: string;
}

/** Where the focus is of nobody's doing but the click that led here. */
const LEFT_BEHIND = "body, a, button, [role=tab]";

/**
 * Our part of the page: a landmark, which takes the focus when its page is opened. Before it stand Airflow's
 * navigation and tabs, some eighty stops of the Tab key.
 */
function Landmark({ padded, children }: { padded: boolean; children: ReactNode }) {
  const region = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const { activeElement } = document;
    if (activeElement !== null && !activeElement.matches(LEFT_BEHIND)) return;
    // A dialog keeps the focus, and gives it back.
    if (!dialogIsOpen()) region.current?.focus({ preventScroll: true });
  }, []);
  return (
    <Box
      ref={region}
      role="region"
      aria-label="Pinwheel"
      tabIndex={-1}
      outline="none"
      data-testid="pinwheel"
      p={padded ? 2 : 0}
      pt={2}
      height="100%"
      overflowY="auto"
    >
      {children}
    </Box>
  );
}

/** Airflow takes functions only, so lazy components are wrapped here. */
export function page(Content: FC<HostProps>): FC<HostProps> {
  return function PinwheelPage(props) {
    const where = [props.dagId, props.runId, props.taskId, props.mapIndex].join("\n");
    return (
      <QueryClientProvider client={queryClient}>
        <DagScope value={props.dagId}>
          <Live dagId={props.dagId} />
          <Landmark padded={props.dagId === undefined}>
            <ConnectionNotice />
            <ErrorBoundary key={where}>
              <Suspense fallback={<Loading />}>
                <Content {...props} />
              </Suspense>
            </ErrorBoundary>
          </Landmark>
        </DagScope>
      </QueryClientProvider>
    );
  };
}

/** On a page of Airflow's: asks seldom, takes no focus, and is not there while it has nothing to say. `order`: where, among Airflow's own. */
export function card(Content: FC<HostProps>, order?: number): FC<HostProps> {
  return function PinwheelCard(props) {
    return (
      <QueryClientProvider client={queryClient}>
        <DagScope value={props.dagId}>
          <ErrorBoundary quiet>
            <Suspense fallback={null}>
              <Box order={order} _empty={{ display: "none" }}>
                <Content {...props} />
              </Box>
            </Suspense>
          </ErrorBoundary>
        </DagScope>
      </QueryClientProvider>
    );
  };
}
