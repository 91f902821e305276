import { fireEvent, render, screen } from "@testing-library/react";
import { expect, test, vi } from "vitest";

import { useShortcut } from "src/components/useShortcut";

function Page({ act, dialog = false }: { act: (() => void) | undefined; dialog?: boolean }) {
  useShortcut("r", act);
  return (
    <>
      <input aria-label="field" />
      <button>button</button>
      <div role="dialog" data-state={dialog ? "open" : "closed"} />
    </>
  );
}

test("the letter acts, on the page and on a button", () => {
  const act = vi.fn();
  render(<Page act={act} />);
  fireEvent.keyDown(document.body, { key: "r" });
  fireEvent.keyDown(screen.getByRole("button"), { key: "r" });
  expect(act).toHaveBeenCalledTimes(2);
});

test("it does nothing where it is typed, with another key, held down, or below a dialog", () => {
  const act = vi.fn();
  const { rerender } = render(<Page act={act} />);
  fireEvent.keyDown(screen.getByLabelText("field"), { key: "r" });
  fireEvent.keyDown(document.body, { key: "r", ctrlKey: true });
  fireEvent.keyDown(document.body, { key: "r", metaKey: true });
  fireEvent.keyDown(document.body, { key: "r", repeat: true });
  fireEvent.keyDown(document.body, { key: "R" });
  rerender(<Page act={act} dialog />);
  fireEvent.keyDown(document.body, { key: "r" });
  expect(act).not.toHaveBeenCalled();
});

test("with nothing to do the key is left to others", () => {
  render(<Page act={undefined} />);
  expect(fireEvent.keyDown(document.body, { key: "r" })).toBe(true);
});
