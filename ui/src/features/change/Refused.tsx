/** The Dags of a plan that can not take the change, each with its reason, and the way to leave them all out. */
import { Alert, Box, Button, HStack, List, Text } from "@chakra-ui/react";
import { useState } from "react";

import type { Refusal } from "src/api/changes";
import { isRejection, remedyOf } from "src/api/errors";
import { Advice } from "src/components/states";

const SHOWN = 5;

interface Props {
  refused: Refusal[];
  /** They are left out. */
  leftOut: boolean;
  onLeaveOut?: () => void;
  /** Release those of which only a rejection is in the way. */
  onRelease?: () => void;
}

export function Refused({ refused, leftOut, onLeaveOut, onRelease }: Props) {
  const [all, setAll] = useState(false);
  const shown = all ? refused : refused.slice(0, leftOut ? 0 : SHOWN);
  const [only] = refused;
  const rejected = refused.filter(isRejection).length;
  if (only === undefined) return null;
  const dags = `${refused.length} ${refused.length === 1 ? "Dag" : "Dags"}`;
  return (
    <Alert.Root status={leftOut ? "neutral" : "warning"} data-testid="refused">
      <Alert.Indicator />
      <Alert.Content gap={1}>
        <Alert.Title>{leftOut ? `${dags} left out` : `${dags} cannot take this change`}</Alert.Title>
        <Alert.Description>
          <List.Root gap={1} listStyle="none" maxHeight="30vh" overflowY="auto" tabIndex={all ? 0 : undefined} aria-label={leftOut ? "Left out" : "Refused"}>
            {shown.map((refusal) => (
              <List.Item key={refusal.dag_id} overflowWrap="anywhere">
                <Text as="span" fontWeight="medium">
                  {refusal.dag_id}
                </Text>
                : {refusal.found}
                {leftOut || isRejection(refusal) ? undefined : <WhatToDo refusal={refusal} />}
              </List.Item>
            ))}
          </List.Root>
          <HStack gap={2} mt={2} wrap="wrap">
            {leftOut ? undefined : (
              <Button size="sm" variant="outline" onClick={onLeaveOut}>
                {refused.length === 1 ? `Leave out ${only.dag_id}` : `Leave out the ${refused.length} that cannot`}
              </Button>
            )}
            {leftOut || rejected === 0 || onRelease === undefined ? undefined : (
              <Button size="sm" variant="outline" colorPalette="danger" onClick={onRelease}>
                {rejected === 1 ? "Release the rejected one all the same" : `Release the ${rejected} rejected all the same`}
              </Button>
            )}
            {shown.length < refused.length ? (
              <Button size="sm" variant="plain" onClick={() => setAll(true)}>
                {shown.length === 0 ? "Show them" : `Show all ${refused.length}`}
              </Button>
            ) : undefined}
          </HStack>
        </Alert.Description>
      </Alert.Content>
    </Alert.Root>
  );
}

function WhatToDo({ refusal }: { refusal: Refusal }) {
  const remedy = remedyOf(refusal);
  return remedy === undefined ? undefined : (
    <Box fontSize="sm" color="fg.muted">
      <Advice remedy={remedy} />
    </Box>
  );
}
