/** Which instance of a mapped task is shown: how many there are of each state, and those of one state to choose from. */
import { Button, HStack, NativeSelect, Text } from "@chakra-ui/react";

import type { TaskInstance } from "src/api/runs";

interface Props {
  data: Pick<TaskInstance, "map_index" | "instances" | "total_instances" | "instance_states">;
  /** The state that is shown alone. */
  only: string | undefined;
  onChoose: (mapIndex: number, only: string | undefined) => void;
}

export function Instances({ data, only, onChoose }: Props) {
  const { map_index: mapIndex, instances, total_instances: total, instance_states: counts } = data;
  const offered = instances.filter(({ state, map_index: index }) => only === undefined || nameOf(state) === only || index === mapIndex);
  // What failed comes first, as the server sends it.
  const states = [...new Set(offered.map(({ state }) => nameOf(state)))];
  const more = total - instances.length;

  const choose = (state: string) => {
    const wanted = state === only ? undefined : state;
    const fitting = instances.filter((one) => nameOf(one.state) === wanted);
    const stays = fitting.length === 0 || fitting.some(({ map_index: index }) => index === mapIndex);
    onChoose(stays ? mapIndex : (fitting[0]?.map_index ?? mapIndex), wanted);
  };

  return (
    <HStack role="group" aria-label="Mapped instances" gap={1} wrap="wrap" data-testid="instances">
      {Object.entries(counts).map(([state, count]) => (
        <Button key={state} size="xs" variant={state === only ? "solid" : "outline"} aria-pressed={state === only} onClick={() => choose(state)}>
          {count} {inWords(state)}
        </Button>
      ))}
      <NativeSelect.Root size="xs" width="auto">
        <NativeSelect.Field aria-label="Map index" value={mapIndex} onChange={(event) => onChoose(Number(event.currentTarget.value), only)}>
          {instances.some(({ map_index: index }) => index === mapIndex) ? undefined : <option value={mapIndex}>[{mapIndex}]</option>}
          {states.map((state) => (
            <optgroup key={state} label={`${inWords(state)} (${counts[state] ?? 0})`}>
              {offered
                .filter((one) => nameOf(one.state) === state)
                .map((one) => (
                  <option key={one.map_index} value={one.map_index}>
                    [{one.map_index}] {inWords(state)}
                  </option>
                ))}
            </optgroup>
          ))}
        </NativeSelect.Field>
        <NativeSelect.Indicator />
      </NativeSelect.Root>
      {more > 0 ? (
        <Text color="fg.muted" fontSize="xs">
          and {more} more, by their address
        </Text>
      ) : undefined}
    </HStack>
  );
}

const nameOf = (state: string | null) => state ?? "none";

const inWords = (state: string) => (state === "none" ? "no status" : state.replaceAll("_", " "));
