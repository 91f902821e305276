import { ChakraProvider, defaultSystem } from "@chakra-ui/react";
import { fireEvent, render, screen } from "@testing-library/react";
import { expect, it, vi } from "vitest";

import { Instances } from "src/features/history/Instances";

const of = (state: string | null, ...indexes: number[]) => indexes.map((index) => ({ map_index: index, state }));
const data = {
  map_index: 7,
  // As the server sends them: what failed first.
  instances: [...of("failed", 7, 120), ...of(null, 3), ...of("success", 0, 1)],
  total_instances: 200,
  instance_states: { failed: 2, none: 1, success: 197 },
};

function show(only?: string) {
  const onChoose = vi.fn();
  render(
    <ChakraProvider value={defaultSystem}>
      <Instances data={data} only={only} onChoose={onChoose} />
    </ChakraProvider>,
  );
  return onChoose;
}

const offered = () => screen.getAllByRole("option").map(({ textContent }) => textContent);

it("says how many instances of a mapped task came to what, what failed first", () => {
  show();
  expect(screen.getAllByRole("button").map(({ textContent }) => textContent)).toEqual(["2 failed", "1 no status", "197 success"]);
  expect(screen.getAllByRole("group").map((one) => one.getAttribute("label"))).toEqual([null, "failed (2)", "no status (1)", "success (197)"]);
  expect(offered()).toEqual(["[7] failed", "[120] failed", "[3] no status", "[0] success", "[1] success"]);
  expect(screen.getByText(/195 more/)).toBeTruthy();
});

it("goes to the first instance of the state that is asked for, and offers those only", () => {
  const onChoose = show();
  fireEvent.click(screen.getByRole("button", { name: "197 success" }));
  expect(onChoose).toHaveBeenLastCalledWith(0, "success");
  fireEvent.click(screen.getByRole("button", { name: "2 failed" }));
  expect(onChoose).toHaveBeenLastCalledWith(7, "failed");
});

it("offers all again when the state is asked for once more, and stays where it is", () => {
  const onChoose = show("failed");
  expect(offered()).toEqual(["[7] failed", "[120] failed"]);
  fireEvent.click(screen.getByRole("button", { name: "2 failed" }));
  expect(onChoose).toHaveBeenLastCalledWith(7, undefined);
});
