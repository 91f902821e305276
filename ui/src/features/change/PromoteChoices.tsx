/** What a promote lets choose: not before an instant; and, where something holds it, at once, past all of that. */
import { Checkbox, Field, Input, Stack } from "@chakra-ui/react";

import type { Schemas } from "src/api/schemas";
import { otherHolds } from "src/components/held";
import { instantOf } from "src/components/zoned";

export interface When {
  /** As typed: a time on the wall of the user's time zone. */
  text: string;
  /** Past gates and rules. */
  now: boolean;
}

/** Whether a gate, a window or the like stands before the release, which somebody may go past. */
export function isHeldBack(status: Schemas["DagStatus"] | undefined): boolean {
  return status !== undefined && otherHolds(status).length > 0;
}

/** The instant that was typed; wrong: it is none, yet. */
export function whenOf({ text }: When, timezone: string): { at: string | undefined; wrong: boolean } {
  const wall = text.trim();
  const at = wall === "" ? undefined : instantOf(wall.replace(" ", "T"), timezone);
  return { at, wrong: wall !== "" && at === undefined };
}

interface Props {
  when: When;
  onWhen: (when: When) => void;
  timezone: string;
  wrong: boolean;
  /** Whether there is something to go past, and the user may. */
  past: boolean;
}

export function PromoteChoices({ when, onWhen, timezone, wrong, past }: Props) {
  return (
    <Stack gap={3}>
      {when.now && past ? undefined : (
        <Field.Root invalid={wrong}>
          <Field.Label>Not before</Field.Label>
          <Input
            size="sm"
            width="12rem"
            maxLength={19}
            placeholder="YYYY-MM-DD HH:MM"
            value={when.text}
            onChange={(event) => onWhen({ ...when, text: event.target.value })}
          />
          <Field.HelperText>In {timezone}. Without: as soon as nothing holds it.</Field.HelperText>
        </Field.Root>
      )}
      {past ? (
        <Checkbox.Root checked={when.now} onCheckedChange={({ checked }) => onWhen({ ...when, now: checked === true })}>
          <Checkbox.HiddenInput />
          <Checkbox.Control />
          <Checkbox.Label>Release now, past gates and rules</Checkbox.Label>
        </Checkbox.Root>
      ) : undefined}
    </Stack>
  );
}
