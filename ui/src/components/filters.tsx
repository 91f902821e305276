/** Filters whose values stand in the page's address, so that a view can be sent to somebody. */
import { Button, Input, NativeSelect } from "@chakra-ui/react";
import { useEffect, useRef, useState } from "react";
import type { ReactNode } from "react";

import { assign, useAddress, writeAddress } from "src/components/address";

const TYPING_MS = 300;
const PAGE = "page";

/** Change filters in the address; every change goes back to the first page. */
function set(changes: Record<string, string | null>, options?: { replace?: boolean }): void {
  writeAddress((params) => {
    if (!(PAGE in changes)) params.delete(PAGE);
    assign(params, changes);
  }, options);
}

/** The address's parameters, and a way to change some of them. */
export function useFilters() {
  const params = useAddress();
  const page = Math.max(1, Number(params.get(PAGE) ?? "1") || 1);
  return { params, set, page };
}

/** On or off: `?held=true`, or nothing. */
export function ToggleFilter({ name, children }: { name: string; children: ReactNode }) {
  const { params, set } = useFilters();
  const pressed = params.get(name) === "true";
  return (
    <Button
      size="sm"
      variant={pressed ? "solid" : "outline"}
      colorPalette="brand"
      aria-pressed={pressed}
      onClick={() => set({ [name]: pressed ? null : "true" })}
    >
      {children}
    </Button>
  );
}

export function SelectFilter({
  name,
  label,
  choices,
}: {
  name: string;
  label: string;
  choices: readonly string[] | undefined;
}) {
  const { params, set } = useFilters();
  const value = params.get(name) ?? "";
  // What the address asks for is offered even when nothing has it (any more).
  const offered = choices === undefined || value === "" || choices.includes(value) ? (choices ?? []) : [value, ...choices];
  return (
    <NativeSelect.Root size="sm" width="auto" minWidth={40}>
      <NativeSelect.Field aria-label={label} value={value} onChange={(event) => set({ [name]: event.target.value })}>
        <option value="">{label}: any</option>
        {(choices === undefined && value !== "" ? [value] : offered).map((choice) => (
          <option key={choice} value={choice}>
            {choice}
          </option>
        ))}
      </NativeSelect.Field>
      <NativeSelect.Indicator />
    </NativeSelect.Root>
  );
}

/** Free text; reaches the address when typing pauses. */
export function TextFilter({ name, label, width }: { name: string; label: string; width?: string }) {
  const { params } = useFilters();
  const inAddress = params.get(name) ?? "";
  const [text, setText] = useState(inAddress);
  const written = useRef(inAddress);
  useEffect(() => {
    if (inAddress !== written.current) {
      written.current = inAddress;
      setText(inAddress); // Back, forward, or a link.
    }
  }, [inAddress]);
  useEffect(() => {
    if (text === written.current) return;
    const timer = setTimeout(() => {
      written.current = text;
      set({ [name]: text }, { replace: true });
    }, TYPING_MS);
    return () => clearTimeout(timer);
  }, [text, name]);
  return (
    <Input
      type="search"
      size="sm"
      width={width}
      aria-label={label}
      placeholder={label}
      maxLength={250}
      value={text}
      onChange={(event) => setText(event.target.value)}
    />
  );
}
