import { Button, Code, Dialog, Text, VisuallyHidden } from "@chakra-ui/react";

import type { Schemas } from "src/api/schemas";
import { CopyButton } from "src/components/CopyButton";
import { DialogLayer } from "src/components/dialogs/DialogFrame";
import { WarningIcon } from "src/components/icons";
import { Commit } from "src/components/labels";
import { Time } from "src/components/time";

type Broken = Pick<Schemas["Broken"], "at" | "bundle_version" | "error">;

/** Says that the newest commit is broken; its error is one click away. */
export function BrokenButton({ dagId, broken, url }: { dagId: string; broken: Broken; url?: string | null }) {
  return (
    <Dialog.Root size="xl" scrollBehavior="inside" lazyMount unmountOnExit>
      <Dialog.Trigger asChild>
        <Button size="2xs" variant="subtle" colorPalette="danger">
          <WarningIcon boxSize={3} /> Broken since <Time at={broken.at} />
          <VisuallyHidden>: show the error of {dagId}</VisuallyHidden>
        </Button>
      </Dialog.Trigger>
      <DialogLayer
        title={`The newest commit of ${dagId} is broken`}
        footer={broken.error === null ? undefined : <CopyButton text={broken.error}>Copy</CopyButton>}
      >
        <Text mb={2}>
          Commit <Commit version={broken.bundle_version} url={url} />, <Time at={broken.at} as="absolute" />. What is released goes on running.
        </Text>
        {broken.error === null ? (
          <Text color="fg.muted">You may not see import errors.</Text>
        ) : (
          <Code as="pre" display="block" whiteSpace="pre-wrap" p={3} width="100%">
            {broken.error}
          </Code>
        )}
      </DialogLayer>
    </Dialog.Root>
  );
}
