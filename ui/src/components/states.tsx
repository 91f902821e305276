/** How a page looks when it has nothing to show yet, nothing at all, or a failure. */
import { Alert, Box, Button, Code, EmptyState, Skeleton, Stack, Text } from "@chakra-ui/react";
import type { PropsWithChildren, ReactNode } from "react";

import { ApiError, OfflineError, remedyOf } from "src/api/errors";
import type { Remedy } from "src/api/errors";
import { PageLink } from "src/components/labels";

export function Loading({ rows = 5, label = "Loading" }: { rows?: number; label?: string }) {
  return (
    <Stack role="status" aria-label={label} aria-busy gap={2} p={3}>
      {Array.from({ length: rows }, (_, row) => (
        <Skeleton key={row} height="28px" />
      ))}
    </Stack>
  );
}

export function Empty({ title, children }: PropsWithChildren<{ title: string }>) {
  return (
    <EmptyState.Root>
      <EmptyState.Content>
        <EmptyState.Title>{title}</EmptyState.Title>
        {children === undefined ? undefined : <Box color="fg.muted" textAlign="center">{children}</Box>}
      </EmptyState.Content>
    </EmptyState.Root>
  );
}

interface Words {
  title: string;
  details: ReactNode;
  remedy?: Remedy;
}

function words(error: Error): Words {
  if (error instanceof OfflineError) {
    return { title: "Airflow does not answer", details: "What you see may be old.", remedy: { text: "Trying again by itself." } };
  }
  if (error instanceof ApiError) {
    const { failed, found, title } = error.problem;
    if (error.status === 401) {
      return { title: "Your login has ended", details: "Log in again to go on.", remedy: { text: "Reload this page." } };
    }
    return {
      title: failed ?? title ?? `The server answered ${error.status}`,
      details: found ?? (failed === undefined ? error.problem.detail : undefined),
      remedy: remedyOf(error.problem),
    };
  }
  return { title: "This page failed", details: <Code whiteSpace="pre-wrap">{String(error)}</Code>, remedy: { text: "Please report it." } };
}

/** What failed and what was found, in the server's own words, and what to do, in the page's. */
export function ErrorState({ error, onRetry }: { error: Error; onRetry?: () => void }) {
  const { title, details, remedy } = words(error);
  return (
    <Alert.Root status="error" role="alert" my={2}>
      <Alert.Indicator />
      <Alert.Content>
        <Alert.Title>{title}</Alert.Title>
        <Alert.Description>
          {details === undefined ? undefined : <Box>{details}</Box>}
          {remedy === undefined ? undefined : <Advice remedy={remedy} />}
        </Alert.Description>
      </Alert.Content>
      {onRetry === undefined ? undefined : (
        <Button size="sm" variant="outline" onClick={onRetry}>
          Try again
        </Button>
      )}
    </Alert.Root>
  );
}

/** What to do, with a link to where it is done. */
export function Advice({ remedy: { text, link } }: { remedy: Remedy }) {
  return (
    <Text>
      {text} {link === undefined ? undefined : <PageLink to={link.to}>{link.text}</PageLink>}
    </Text>
  );
}

interface Query<T> {
  data: T | undefined;
  error: Error | null;
  refetch: () => unknown;
}

/** Loading, the error (when there is nothing to show in spite of it), or the children with the data. */
export function Loaded<T>({
  query,
  children,
  rows,
}: {
  query: Query<T>;
  children: (data: T) => ReactNode;
  rows?: number;
}) {
  if (query.data !== undefined) return <>{children(query.data)}</>;
  if (query.error !== null) return <ErrorState error={query.error} onRetry={() => void query.refetch()} />;
  return <Loading rows={rows} />;
}
