import { Button, HStack, Text } from "@chakra-ui/react";

import { useFilters } from "src/components/filters";

/** Which entries are shown, and the way to the others. Nothing when all fit on one page. */
export function Pager({ total, size }: { total: number; size: number }) {
  const { page, set } = useFilters();
  if (total <= size && page === 1) return null;
  const last = Math.max(1, Math.ceil(total / size));
  const from = Math.min(total, (page - 1) * size + 1);
  return (
    <HStack as="nav" aria-label="Pages" justifyContent="flex-end" mt={2} gap={3}>
      <Text color="fg.muted" fontSize="sm">
        {from}–{Math.min(total, page * size)} of {total}
      </Text>
      <Button size="xs" variant="outline" disabled={page <= 1} onClick={() => set({ page: String(page - 1) })}>
        Previous
      </Button>
      <Button size="xs" variant="outline" disabled={page >= last} onClick={() => set({ page: String(page + 1) })}>
        Next
      </Button>
    </HStack>
  );
}
