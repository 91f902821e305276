/** What dialogs have in common that are mounted while they are open. */
import { Alert, CloseButton, Dialog, Portal } from "@chakra-ui/react";
import type { PropsWithChildren, ReactNode } from "react";

interface Props {
  title: ReactNode;
  testId: string;
  size: "lg" | "xl";
  footer: ReactNode;
  onClose: () => void;
}

/**
 * Closed by the cross, by Escape and by a click beside it. A layer that is open when it opens has to stay as long as it does:
 * on Airflow 3.4 a layer that closes takes those above it along.
 */
export function DialogFrame({ title, testId, size, footer, onClose, children }: PropsWithChildren<Props>) {
  return (
    <Dialog.Root open onOpenChange={({ open }) => !open && onClose()} size={size} scrollBehavior="inside">
      <Portal>
        <Dialog.Backdrop />
        <Dialog.Positioner>
          <Dialog.Content data-testid={testId}>
            <Dialog.Header>
              <Dialog.Title>{title}</Dialog.Title>
            </Dialog.Header>
            <Dialog.Body>{children}</Dialog.Body>
            <Dialog.Footer>{footer}</Dialog.Footer>
            <Dialog.CloseTrigger asChild>
              <CloseButton aria-label="Close dialog" />
            </Dialog.CloseTrigger>
          </Dialog.Content>
        </Dialog.Positioner>
      </Portal>
    </Dialog.Root>
  );
}

/** Says in a dialog that what was asked for is done. */
export function Success({ children }: PropsWithChildren) {
  return (
    <Alert.Root status="success">
      <Alert.Indicator />
      <Alert.Title>{children}</Alert.Title>
    </Alert.Root>
  );
}
