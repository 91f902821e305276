import { Alert, Stack } from "@chakra-ui/react";

/** In the full width below what they belong to. */
export function Warnings({ warnings }: { warnings: string[] }) {
  return (
    <Stack gap={1}>
      {warnings.map((warning) => (
        <Alert.Root key={warning} status="warning" size="sm">
          <Alert.Indicator />
          <Alert.Title overflowWrap="anywhere">{warning}</Alert.Title>
        </Alert.Root>
      ))}
    </Stack>
  );
}
