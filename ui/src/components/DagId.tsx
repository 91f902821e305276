/** A Dag's id or name, as long as it may be: it wraps, and widens no table. */
import { Box } from "@chakra-ui/react";
import type { ReactNode } from "react";

export function DagId({ children }: { children: ReactNode }) {
  return (
    <Box
      as="span"
      display="inline-block"
      minWidth="7rem"
      maxWidth="22rem"
      whiteSpace="normal"
      textAlign="start"
      // Airflow's reset gives each element a wrapping of its own, and links a box that does not wrap.
      css={{ "&, & *": { overflowWrap: "anywhere" }, "& a": { display: "inline" } }}
    >
      {children}
    </Box>
  );
}
