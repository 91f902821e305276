/** What dialogs have in common. */
import { Alert, CloseButton, Dialog, Portal } from "@chakra-ui/react";
import type { PropsWithChildren, ReactNode, RefObject } from "react";

interface LayerProps {
  title: ReactNode;
  testId?: string;
  footer: ReactNode;
}

/** The dialog itself, above the page; inside of a `Dialog.Root`. */
export function DialogLayer({ title, testId, footer, children }: PropsWithChildren<LayerProps>) {
  return (
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
  );
}

interface FrameProps extends LayerProps {
  size: "lg" | "xl";
  onClose: () => void;
  /** What has the focus first; else the first control. The dialog moves the focus itself: `autoFocus` loses it on Airflow 3.4. */
  initialFocus?: RefObject<HTMLElement | null>;
}

/**
 * A dialog that is mounted while it is open. Closed by the cross, by Escape and by a click beside it. A layer that is open when
 * it opens has to stay as long as it does: on Airflow 3.4 a layer that closes takes those above it along.
 */
export function DialogFrame({ size, onClose, initialFocus, ...layer }: PropsWithChildren<FrameProps>) {
  return (
    <Dialog.Root
      open
      onOpenChange={({ open }) => !open && onClose()}
      initialFocusEl={initialFocus === undefined ? undefined : () => initialFocus.current}
      size={size}
      scrollBehavior="inside"
    >
      <DialogLayer {...layer} />
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
