import { act, render, screen } from "@testing-library/react";
import { ChakraProvider, defaultSystem } from "@chakra-ui/react";
import { expect, test } from "vitest";

import { Time, absolute, relative } from "src/components/time";

const NOON = "2026-11-21T12:00:00+00:00";
const at = (iso: string) => new Date(iso).getTime();

test("an instant is written in the given time zone, as Airflow writes it", () => {
  expect(absolute(NOON, "UTC")).toBe("2026-11-21 12:00:00");
  expect(absolute(NOON, "Asia/Kolkata")).toBe("2026-11-21 17:30:00");
});

test("how long ago it was is told in its largest whole unit", () => {
  expect(relative(NOON, at("2026-11-21T12:00:05+00:00"))).toBe("just now");
  expect(relative(NOON, at("2026-11-21T12:59:59+00:00"))).toBe("59 minutes ago");
  expect(relative(NOON, at("2026-11-23T11:00:00+00:00"))).toBe("1 day ago");
});

test("the time zone chosen in Airflow is used, and followed when it changes", () => {
  localStorage.setItem("timezone", JSON.stringify("America/New_York"));
  render(
    <ChakraProvider value={defaultSystem}>
      <Time at={NOON} as="absolute" />
    </ChakraProvider>,
  );
  expect(screen.getByText("2026-11-21 07:00:00").getAttribute("datetime")).toBe(NOON);
  act(() => {
    localStorage.setItem("timezone", JSON.stringify("Asia/Tokyo"));
    window.dispatchEvent(new Event("local-storage"));
  });
  expect(screen.getByText("2026-11-21 21:00:00")).toBeDefined();
});

test("an unreadable time zone falls back to the browser's", () => {
  localStorage.setItem("timezone", "not json");
  render(
    <ChakraProvider value={defaultSystem}>
      <Time at={NOON} as="absolute" />
    </ChakraProvider>,
  );
  expect(screen.getByRole("time").textContent).toBe(absolute(NOON, Intl.DateTimeFormat().resolvedOptions().timeZone));
});
