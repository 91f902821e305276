/** A Dag's id or name, as long as it may be: it wraps, and widens no table. */
import { Box } from "@chakra-ui/react";
import type { ReactNode } from "react";

export function DagId({ children }: { children: ReactNode }) {
  return (
    <Box as="span" display="inline-block" minWidth="7rem" maxWidth="22rem" overflowWrap="anywhere" whiteSpace="normal" textAlign="start">
      {children}
    </Box>
  );
}
