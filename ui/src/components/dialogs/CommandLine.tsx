import { Code, HStack } from "@chakra-ui/react";

import { CopyButton } from "src/components/CopyButton";

/** At the left of a dialog's footer: the command line that does what the dialog does. */
export function CommandLine({ command }: { command: string }) {
  return (
    <HStack flex={1} minWidth={0}>
      <Code truncate title={command} data-testid="command">
        {command}
      </Code>
      <CopyButton text={command}>Copy command</CopyButton>
    </HStack>
  );
}
