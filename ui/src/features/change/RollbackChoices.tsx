/** What a rollback lets choose: where it goes, whether what it leaves is to blame, and what runs again. */
import { Checkbox, Field, NativeSelect, Stack } from "@chakra-ui/react";

import type { Outcome, Rerun as Choice } from "src/api/changes";
import { shortVersion } from "src/components/version/short";
import { keyOf } from "src/features/change/places";
import type { Place, Target } from "src/features/change/places";
import { Rerun } from "src/features/change/Rerun";

interface Props {
  many: boolean;
  outcomes: Outcome[];
  /** Of one Dag: where it can go. */
  places: Place[];
  /** Where it goes when nobody chooses. */
  wayBack: { build: number; bundle_version: string | null } | null;
  target: Target | undefined;
  onTarget: (target: Target | undefined) => void;
  toBlame: boolean;
  onBlame: (toBlame: boolean) => void;
  rerun: Choice;
  onRerun: (rerun: Choice) => void;
}

export function RollbackChoices({ many, outcomes, places, wayBack, target, onTarget, toBlame, onBlame, rerun, onRerun }: Props) {
  return (
    <Stack gap={3}>
      {many ? undefined : <WhereTo places={places} wayBack={wayBack} target={target} onTarget={onTarget} />}
      <Checkbox.Root checked={toBlame} onCheckedChange={({ checked }) => onBlame(checked === true)}>
        <Checkbox.HiddenInput />
        <Checkbox.Control />
        <Checkbox.Label>
          {many ? "These builds are to blame: they are rejected, and never released by themselves again" : `This build is to blame: ${rejects(outcomes[0])}`}
        </Checkbox.Label>
      </Checkbox.Root>
      <Rerun many={many} outcomes={outcomes} choice={rerun} onChoose={onRerun} />
    </Stack>
  );
}

function WhereTo({ places, wayBack, target, onTarget }: Pick<Props, "places" | "wayBack" | "target" | "onTarget">) {
  const choose = (key: string) => {
    const place = places.find((one) => one.key === key);
    if (key === "") onTarget(undefined);
    else if (place !== undefined) onTarget({ build: place.build, bundleVersion: place.bundleVersion });
  };
  const known = target === undefined || places.some(({ key }) => key === keyOf(target));
  const back =
    wayBack === null ? "the release before" : wayBack.bundle_version === null ? `build ${wayBack.build}` : `build ${wayBack.build} at ${shortVersion(wayBack.bundle_version)}`;
  return (
    <Field.Root>
      <Field.Label>Back to</Field.Label>
      <NativeSelect.Root size="sm">
        <NativeSelect.Field
          value={target === undefined ? "" : keyOf(target)}
          onChange={({ currentTarget: { value } }) => choose(value)}
        >
          <option value="">The way back: {back}</option>
          {known ? undefined : <option value={keyOf(target)}>Build {target.build}</option>}
          {places.map(({ key, words }) => (
            <option key={key} value={key}>
              {words}
            </option>
          ))}
        </NativeSelect.Field>
        <NativeSelect.Indicator />
      </NativeSelect.Root>
    </Field.Root>
  );
}

/** What is rejected, of one Dag. */
function rejects(outcome: Outcome | undefined): string {
  if (outcome?.rejected == null) return "it is rejected, and never released by itself again";
  const { rejected, rejected_after: after, rejected_until: until } = outcome;
  if (until === null) return `build ${rejected} is rejected, and never released by itself again`;
  if (after === null) return `commit ${shortVersion(until)} of build ${rejected} is rejected; a later one may be released`;
  return `the commits of build ${rejected} after ${shortVersion(after)} up to ${shortVersion(until)} are rejected; a later one may be released`;
}
