import { Tooltip as Parts, Portal } from "@chakra-ui/react";
import type { ReactElement, ReactNode } from "react";

/** A tooltip on one element; opens on hover and on focus. Never the only place of what one must know. */
export function Tooltip({ content, children }: { content: ReactNode; children: ReactElement }) {
  return (
    <Parts.Root openDelay={300} closeDelay={50} lazyMount unmountOnExit>
      <Parts.Trigger asChild>{children}</Parts.Trigger>
      <Portal>
        <Parts.Positioner>
          <Parts.Content maxW="md" whiteSpace="pre-wrap">
            {content}
          </Parts.Content>
        </Parts.Positioner>
      </Portal>
    </Parts.Root>
  );
}
