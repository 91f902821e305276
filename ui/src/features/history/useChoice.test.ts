import { act, renderHook } from "@testing-library/react";
import { MemoryRouter } from "react-router-dom";
import { expect, it } from "vitest";

import { useChoice } from "src/features/history/useChoice";

it("keeps what is chosen in the URL, for all that read it, and leaves the router's state alone", () => {
  window.history.replaceState({ idx: 3 }, "", "/dags/d?view=code&other=1");
  const read = () => renderHook(() => useChoice(), { wrapper: MemoryRouter });
  const [one, two] = [read(), read()];
  act(() => one.result.current.choose({ run: "a+b", view: undefined }));
  expect(two.result.current).toMatchObject({ run: "a+b", view: undefined, map: -1 });
  expect(window.location.search).toBe("?other=1&run=a%2Bb");
  expect(window.history.state).toEqual({ idx: 3 });
});
