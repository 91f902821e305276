import { Text } from "@chakra-ui/react";

/** Why there are no buttons. */
export function ReadOnly({ what = "this Dag" }: { what?: string }) {
  return (
    <Text fontSize="sm" color="fg.muted" role="note">
      You may look at what is released, not change it: that takes the permission to edit {what}.
    </Text>
  );
}
