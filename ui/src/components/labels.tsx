/** Short names of things, looking the same wherever they stand. */
import { Badge, Code, HStack, Link, Text } from "@chakra-ui/react";
import type { ReactNode } from "react";
import { Link as RouterLink } from "react-router-dom";

import { Tooltip } from "src/components/Tooltip";
import { shortVersion } from "src/components/version/short";

/** "Build 3", with the author's version label when there is one. */
export function BuildLabel({ build, label }: { build: number | null | undefined; label?: string | null }) {
  if (build === null || build === undefined) return <Text as="span" color="fg.muted">–</Text>;
  return (
    <HStack as="span" display="inline-flex" gap={1} whiteSpace="nowrap">
      <span>Build {build}</span>
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

export function ReleaseLabel({ release, active }: { release: number | null | undefined; active?: boolean }) {
  if (release === null || release === undefined) return <Text as="span" color="fg.muted">–</Text>;
  return (
    <HStack as="span" display="inline-flex" gap={1} whiteSpace="nowrap">
      <span>Release {release}</span>
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
  rollback: "red",
  unpin: "orange",
};

/** What kind of release or event it was. */
export function Kind({ kind }: { kind: string }) {
  return <Badge colorPalette={KINDS[kind] ?? "gray"}>{kind.replaceAll("_", " ")}</Badge>;
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
