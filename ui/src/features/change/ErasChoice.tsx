/** What becomes of an era over the present when its Dag is rolled back: without a decision nothing would change. */
import { RadioGroup, Stack } from "@chakra-ui/react";

import type { Eras } from "src/api/changes";
import { Radio } from "src/components/Radio";

interface Props {
  many: boolean;
  choice: Eras | undefined;
  onChoose: (choice: Eras) => void;
}

export function ErasChoice({ many, choice, onChoose }: Props) {
  const era = many ? "these eras" : "this era";
  return (
    <RadioGroup.Root size="sm" value={choice ?? null} onValueChange={({ value }) => onChoose(value as Eras)}>
      <RadioGroup.Label fontWeight="medium">An era of the timeline holds now</RadioGroup.Label>
      <Stack gap={1}>
        <Radio value="replace" label={`Let ${era} be for the build that is rolled back to`} />
        <Radio value="keep" label={`Keep ${era}: the rollback changes other dates only`} />
      </Stack>
    </RadioGroup.Root>
  );
}
