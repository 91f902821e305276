import { Alert } from "@chakra-ui/react";
import { useIsFetching, useQueryClient } from "@tanstack/react-query";

import { OfflineError } from "src/api/errors";
import { keys } from "src/api/keys";

/** Says that what is on the page may be old, while the server does not answer. */
export function ConnectionNotice() {
  const client = useQueryClient();
  useIsFetching(); // Renders this again whenever a question was asked or answered.
  const polls = client.getQueryCache().findAll({ queryKey: keys.live, type: "active" });
  const offline = polls.some((poll) => poll.state.error instanceof OfflineError);
  if (!offline) return null;
  return (
    <Alert.Root status="warning" mb={2} role="status">
      <Alert.Indicator />
      <Alert.Title>Airflow does not answer. What you see may be old; this page goes on by itself when it is back.</Alert.Title>
    </Alert.Root>
  );
}
