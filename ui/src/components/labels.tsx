/** Short names of things, looking the same wherever they stand. */
import { Badge, Code, HStack, Link, Text } from "@chakra-ui/react";
import type { MouseEvent, ReactNode } from "react";
import { Link as RouterLink } from "react-router-dom";

import { writeAnchor } from "src/components/address";
import { dagPath, useDagOfPage } from "src/components/dag";
import { Tooltip } from "src/components/Tooltip";
import { shortVersion } from "src/components/version/short";

/**
 * To a release (`r3`) or a build (`b3`) on its Dag's Releases tab. Of the page's Dag unless another is given; just
 * the text where there is none.
 */
export function LineLink({ anchor, dagId, children }: { anchor: string; dagId?: string; children: ReactNode }) {
  const ofPage = useDagOfPage();
  const of = dagId ?? ofPage;
  if (of === undefined) return <>{children}</>;
  const to = dagPath(of, "dag-releases");
  // There already: past the router, which would mount the page anew.
  const go = (event: MouseEvent) => {
    const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
    if (!plain || !window.location.pathname.endsWith(to) || new URLSearchParams(window.location.search).has("view")) return;
    event.preventDefault();
    writeAnchor(anchor);
  };
  return (
    <Link asChild color="inherit" textDecorationColor="border.emphasized" textDecorationLine="underline">
      <RouterLink to={{ pathname: to, hash: anchor }} onClick={go}>
        {children}
      </RouterLink>
    </Link>
  );
}

/** "Build 3", with the author's version label when there is one. */
export function BuildLabel({ build, label, dagId }: { build: number | null | undefined; label?: string | null; dagId?: string }) {
  if (build === null || build === undefined) return <Text as="span" color="fg.muted">–</Text>;
  return (
    <HStack as="span" display="inline-flex" gap={1} whiteSpace="nowrap">
      <LineLink anchor={`b${build}`} dagId={dagId}>
        Build {build}
      </LineLink>
      {label === null || label === undefined ? undefined : <VersionLabel label={label} />}
    </HStack>
  );
}

export function VersionLabel({ label }: { label: string }) {
  return (
    <Badge variant="outline" colorPalette="blue">
      {label}
    </Badge>
  );
}

export function ReleaseLabel({ release, active, dagId }: { release: number | null | undefined; active?: boolean; dagId?: string }) {
  if (release === null || release === undefined) return <Text as="span" color="fg.muted">–</Text>;
  return (
    <HStack as="span" display="inline-flex" gap={1} whiteSpace="nowrap">
      <LineLink anchor={`r${release}`} dagId={dagId}>
        Release {release}
      </LineLink>
      {active ? (
        <Badge colorPalette="green" variant="subtle">
          active
        </Badge>
      ) : undefined}
    </HStack>
  );
}

/** A bundle version, short; the whole of it as tooltip. Linked when the bundle has a view URL. */
export function Commit({ version, url }: { version: string | null | undefined; url?: string | null }) {
  if (version === null || version === undefined) return <Text as="span" color="fg.muted">–</Text>;
  const code = (
    <Code size="sm" variant="subtle">
      {shortVersion(version)}
    </Code>
  );
  return (
    <Tooltip content={version}>
      {url ? (
        <Link href={url} target="_blank" rel="noopener noreferrer" color="fg.info">
          {code}
        </Link>
      ) : (
        code
      )}
    </Tooltip>
  );
}

const KINDS: Record<string, string> = {
  adopt: "purple",
  auto: "gray",
  before: "gray",
  broken: "red",
  drift: "yellow",
  pin: "orange",
  reject: "red",
  promote: "green",
  retire: "red",
  run_started_unbound: "red",
  run_waits: "yellow",
  rollback: "red",
  unpin: "orange",
};

const WHY: Record<string, string> = { auto: "By itself: the Dag is not pinned, and each new build is released at once" };

/** What kind of release or event it was. */
export function Kind({ kind }: { kind: string }) {
  return (
    <Badge colorPalette={KINDS[kind] ?? "gray"} title={WHY[kind]}>
      {kind.replaceAll("_", " ")}
    </Badge>
  );
}

/** States whose colour in Airflow's theme is so bright that white on it can not be read by everybody. */
const BRIGHT = ["running", "upstream_failed", "up_for_retry", "up_for_reschedule"];

/** A run's or task's state, as Airflow's own badge. */
export function State({ state, children }: { state: string | null | undefined; children?: ReactNode }) {
  const name = state ?? "none";
  return (
    <Badge
      borderRadius="full"
      color={BRIGHT.includes(name) ? "black" : undefined}
      colorPalette={name}
      fontSize="sm"
      px={2}
      variant="solid"
    >
      {children ?? name.replaceAll("_", " ")}
    </Badge>
  );
}

/** A link to a page of this Airflow: a path below its root. */
export function PageLink({ to, children }: { to: string; children: ReactNode }) {
  return (
    <Link asChild color="fg.info">
      <RouterLink to={to}>{children}</RouterLink>
    </Link>
  );
}
