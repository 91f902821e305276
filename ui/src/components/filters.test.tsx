import { ChakraProvider, defaultSystem } from "@chakra-ui/react";
import { act, fireEvent, render, screen } from "@testing-library/react";
import { MemoryRouter } from "react-router-dom";
import { expect, test, vi } from "vitest";

import { InstantFilter, SelectFilter, TextFilter, ToggleFilter, WordsFilter, useFilters } from "src/components/filters";

function Address() {
  const { params, page } = useFilters();
  return <output>{`?${params.toString()} page ${page}`}</output>;
}

function open(address: string) {
  window.history.replaceState(null, "", address);
  render(
    <ChakraProvider value={defaultSystem}>
      <MemoryRouter>
        <ToggleFilter name="held">Held</ToggleFilter>
        <SelectFilter name="tag" label="Tag" choices={["finance"]} />
        <TextFilter name="text" label="Search" />
        <InstantFilter name="since" label="From" />
        <Address />
      </MemoryRouter>
    </ChakraProvider>,
  );
  return () => screen.getByRole("status").textContent;
}

test("a filter is written to the address and goes back to the first page", () => {
  const address = open("/?page=3&view=events");
  expect(address()).toContain("page 3");
  fireEvent.click(screen.getByRole("button", { name: "Held" }));
  expect(address()).toBe("?view=events&held=true page 1");
  fireEvent.click(screen.getByRole("button", { name: "Held" }));
  expect(address()).toBe("?view=events page 1");
});

test("what the address asks for is selected, also when nothing has it any more", () => {
  open("/?tag=gone&held=true");
  expect(screen.getByRole<HTMLSelectElement>("combobox").value).toBe("gone");
  expect(screen.getByRole("button").getAttribute("aria-pressed")).toBe("true");
});

test("text reaches the address when typing pauses, not with every letter", async () => {
  vi.useFakeTimers();
  const address = open("/");
  const field = screen.getByRole("searchbox");
  for (const text of ["s", "sa", "sal"]) {
    fireEvent.change(field, { target: { value: text } });
    await act(() => vi.advanceTimersByTimeAsync(100));
  }
  expect(address()).toBe("? page 1");
  await act(() => vi.advanceTimersByTimeAsync(300));
  expect(address()).toBe("?text=sal page 1");
  vi.useRealTimers();
});

test("a page number that means nothing is the first page", () => {
  expect(open("/?page=-4")()).toContain("page 1");
});

test("text that was just typed survives another filter's change, in the same field", async () => {
  vi.useFakeTimers();
  const address = open("/");
  const field = screen.getByRole("searchbox");
  field.focus();
  fireEvent.change(field, { target: { value: "sales" } });
  fireEvent.change(screen.getByRole("combobox"), { target: { value: "finance" } });
  expect(address()).toBe("?tag=finance page 1");
  await act(() => vi.advanceTimersByTimeAsync(300));
  expect(address()).toBe("?tag=finance&text=sales page 1");
  expect(document.activeElement).toBe(field);
  vi.useRealTimers();
});

test("a choice is one step of the browser's Back, typing is none", async () => {
  vi.useFakeTimers();
  open("/");
  const before = window.history.length;
  fireEvent.change(screen.getByRole("searchbox"), { target: { value: "sales" } });
  await act(() => vi.advanceTimersByTimeAsync(300));
  expect(window.history.length).toBe(before);
  fireEvent.click(screen.getByRole("button", { name: "Held" }));
  expect(window.history.length).toBe(before + 1);
  vi.useRealTimers();
});

test("a time is typed on the user's clock and stands in the address as an instant", async () => {
  vi.useFakeTimers();
  localStorage.setItem("timezone", JSON.stringify("Asia/Kolkata"));
  const address = open("/");
  const field = screen.getByLabelText<HTMLInputElement>("From");
  fireEvent.change(field, { target: { value: "2026-11-21 12:00" } });
  await act(() => vi.advanceTimersByTimeAsync(300));
  expect(address()).toBe(`?${new URLSearchParams({ since: "2026-11-21T06:30:00.000Z" }).toString()} page 1`);
  expect(field.value).toBe("2026-11-21 12:00");
  fireEvent.change(field, { target: { value: "" } });
  await act(() => vi.advanceTimersByTimeAsync(300));
  expect(address()).toBe("? page 1");
  localStorage.clear();
  vi.useRealTimers();
});

test("a time in the address that is none is no filter", () => {
  open("/?since=yesterday");
  expect(screen.getByLabelText<HTMLInputElement>("From").value).toBe("");
});

test("a time is written as every time is shown, a day is its beginning, and what is none is marked", async () => {
  vi.useFakeTimers();
  localStorage.setItem("timezone", JSON.stringify("UTC"));
  const address = open("/?since=2026-11-21T06:30:00.000Z");
  const field = screen.getByLabelText<HTMLInputElement>("From");
  expect(field.value).toBe("2026-11-21 06:30");
  fireEvent.change(field, { target: { value: "2026-11-2" } });
  expect(field.getAttribute("aria-invalid")).toBe("true");
  fireEvent.change(field, { target: { value: "2026-11-22" } });
  expect(field.getAttribute("aria-invalid")).toBe("false");
  await act(() => vi.advanceTimersByTimeAsync(300));
  expect(address()).toBe(`?${new URLSearchParams({ since: "2026-11-22T00:00:00.000Z" }).toString()} page 1`);
  localStorage.clear();
  vi.useRealTimers();
});

test("several words are chosen one by one, found by a part, and go away with a click", () => {
  window.history.replaceState(null, "", "/?page=2");
  render(
    <ChakraProvider value={defaultSystem}>
      <MemoryRouter>
        <WordsFilter name="tag" label="Tag" choices={["finance", "critical", "crm"]} />
        <Address />
      </MemoryRouter>
    </ChakraProvider>,
  );
  const field = screen.getByLabelText("Tag");
  fireEvent.change(field, { target: { value: "finance" } });
  fireEvent.change(field, { target: { value: "crit" } });
  fireEvent.keyDown(field, { key: "Enter" });
  expect(screen.getByRole("status").textContent).toBe("?tag=finance&tag=critical page 1");
  fireEvent.click(screen.getByRole("button", { name: "Without tag finance" }));
  expect(screen.getByRole("status").textContent).toBe("?tag=critical page 1");
});
