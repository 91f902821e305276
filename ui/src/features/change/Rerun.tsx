/** Whether the failed runs of what is rolled back run again, and what that does to them. */
import { Alert, RadioGroup, Stack, Text } from "@chakra-ui/react";

import type { Outcome, Rerun as Choice } from "src/api/changes";
import { RunsAgain } from "src/features/change/Outcomes";
import { counted } from "src/features/change/words";

interface Props {
  many: boolean;
  /** Of one Dag what is planned. */
  outcomes: Outcome[];
  choice: Choice;
  onChoose: (choice: Choice) => void;
}

const CHOICES: [Choice, string][] = [
  ["no", "no"],
  ["failed", "failed tasks only"],
  ["whole", "whole runs (no mixed versions)"],
];

export function Rerun({ many, outcomes, choice, onChoose }: Props) {
  const [only] = outcomes;
  const runs = outcomes.flatMap(({ failed_runs: failed }) => failed).length;
  if (!many && only?.changed && runs === 0) {
    return (
      <Text fontSize="sm" color="fg.muted">
        No run of what is rolled back failed, so there is none to re-run.
      </Text>
    );
  }
  const legend = many ? "Re-run what failed, on the older builds" : `Re-run the ${counted(runs, "failed run")} on build ${only?.build ?? ""}`;
  return (
    <Stack gap={1}>
      <RadioGroup.Root size="sm" value={choice} onValueChange={({ value }) => onChoose((value ?? "no") as Choice)}>
        <RadioGroup.Label fontWeight="medium">{legend}</RadioGroup.Label>
        <Stack direction="row" gap={4} wrap="wrap">
          {CHOICES.map(([value, label]) => (
            <RadioGroup.Item key={value} value={value}>
              <RadioGroup.ItemHiddenInput />
              <RadioGroup.ItemIndicator />
              <RadioGroup.ItemText>{label}</RadioGroup.ItemText>
            </RadioGroup.Item>
          ))}
        </Stack>
      </RadioGroup.Root>
      <Effect outcomes={outcomes} />
    </Stack>
  );
}

/** What would run again, and where versions mix. */
function Effect({ outcomes }: { outcomes: Outcome[] }) {
  const again = outcomes.filter(({ rerun }) => rerun.length > 0);
  if (again.length === 0) return undefined;
  const runs = again.flatMap(({ rerun }) => rerun).length;
  const tasks = again.reduce((sum, { rerun_tasks: number }) => sum + number, 0);
  const mixed = again.reduce((sum, { rerun_mixed: number }) => sum + number, 0);
  return (
    <>
      <Text fontSize="sm" data-testid="rerun-effect">
        {counted(tasks, "task instance")} of {counted(runs, "run")} would run again{again.length > 1 ? `, in ${again.length} Dags` : ""}.
      </Text>
      {outcomes.length === 1 ? again.map((outcome) => <RunsAgain key={outcome.dag_id} outcome={outcome} done={false} />) : undefined}
      {mixed === 0 ? undefined : (
        <Alert.Root status="warning" size="sm">
          <Alert.Indicator />
          <Alert.Title>
            Versions will mix in {mixed === runs && runs > 1 ? `these ${runs} runs` : counted(mixed, "run")}: what did not fail stays as it ran.
          </Alert.Title>
        </Alert.Root>
      )}
    </>
  );
}
