/** Runs that are marked to be compared: one waits for another, two lead to what differs between them. */
import { Button, HStack, Text } from "@chakra-ui/react";
import { Link } from "react-router-dom";

interface Props {
  dagId: string;
  /** The older one first. */
  marked: string[];
  onForget: () => void;
}

export function Compared({ dagId, marked, onForget }: Props) {
  const [from, to] = marked;
  if (from === undefined) return null;
  const search = to === undefined ? undefined : new URLSearchParams({ view: "compare", from_run: from, to_run: to });
  return (
    <HStack role="status" wrap="wrap" gap={2} data-testid="compared" fontSize="sm">
      <Text overflowWrap="anywhere">
        {to === undefined ? `${from} is marked. Ctrl-click another run to compare the two, or press Ctrl-Enter on it.` : `${from} and ${to}`}
      </Text>
      {search === undefined ? undefined : (
        <Button asChild size="xs" colorPalette="brand">
          <Link to={`/dags/${encodeURIComponent(dagId)}/plugin/dag-releases?${search}`}>Compare</Link>
        </Button>
      )}
      <Button size="xs" variant="outline" onClick={onForget}>
        Forget
      </Button>
    </HStack>
  );
}
