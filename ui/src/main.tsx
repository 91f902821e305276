/**
 * The entry. Airflow's UI imports it and takes one component for each `react_apps` entry from globalThis, under
 * the entry's name, which is also the label of the tab or of the place in the navigation: see airflow3/plugin.py.
 * A name that the browser uses itself ("History") can not be taken.
 */
import { Box } from "@chakra-ui/react";
import { lazy } from "react";

import { card, page } from "src/app/page";
import type { HostProps } from "src/app/page";

const Fleet = lazy(() => import("src/features/fleet/Fleet"));
const DagReleases = lazy(() => import("src/features/releases/DagReleases"));
const DagHistory = lazy(() => import("src/features/history/DagHistory"));
const RunVersion = lazy(() => import("src/features/version/RunVersion"));
const TaskVersion = lazy(() => import("src/features/version/TaskVersion"));
const HomeCard = lazy(() => import("src/features/fleet/HomeCard"));
const Strip = lazy(() => import("src/features/releases/Strip"));

const PAGES = {
  Releases: page((props: HostProps) => (props.dagId ? <DagReleases dagId={props.dagId} /> : <Fleet />)),
  "Dag History": page(({ dagId = "" }: HostProps) => (
    <>
      <Box mb={3} _empty={{ display: "none" }}>
        <Strip dagId={dagId} tabs={["dag-releases"]} />
      </Box>
      <DagHistory dagId={dagId} />
    </>
  )),
  Version: page(({ dagId = "", runId = "", taskId, mapIndex }: HostProps) =>
    taskId === undefined ? (
      <RunVersion dagId={dagId} runId={runId} />
    ) : (
      <TaskVersion dagId={dagId} runId={runId} taskId={taskId} mapIndex={Number(mapIndex ?? -1)} />
    ),
  ),
  "Pinwheel Home": card(HomeCard, 3),
  "Pinwheel Overview": card(({ dagId }: HostProps) => (dagId === undefined ? null : <Strip dagId={dagId} />)),
};

Object.assign(globalThis, PAGES);
