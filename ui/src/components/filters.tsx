/** Filters whose values stand in the page's address, so that a view can be sent to somebody. */
import { Button, HStack, Input, NativeSelect, chakra } from "@chakra-ui/react";
import { useEffect, useId, useRef, useState } from "react";
import type { ReactNode } from "react";

import { assign, useAddress, writeAddress } from "src/components/address";
import { absolute, useTimezone } from "src/components/time";
import { instantOf } from "src/components/zoned";

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

/**
 * What is typed, or stands in the address; reaches the address when typing pauses. `means`: whether a text says what the
 * address has, though in other words; it is left as it was typed then.
 */
function useTyped(inAddress: string, write: (text: string) => void, means?: (text: string) => boolean): [string, (text: string) => void] {
  const [text, setText] = useState(inAddress);
  const latest = useRef({ write, means, text });
  latest.current = { write, means, text };
  const written = useRef(inAddress);
  useEffect(() => {
    if (inAddress !== written.current) {
      const said = latest.current.text;
      if (said !== "" && latest.current.means?.(said)) {
        written.current = said;
        return;
      }
      written.current = inAddress;
      setText(inAddress); // Back, forward, or a link.
    }
  }, [inAddress]);
  useEffect(() => {
    if (text === written.current) return;
    const timer = setTimeout(() => {
      written.current = text;
      latest.current.write(text);
    }, TYPING_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return [text, setText];
}

/** Free text. */
export function TextFilter({ name, label, width }: { name: string; label: string; width?: string }) {
  const { params, set } = useFilters();
  const [text, setText] = useTyped(params.get(name) ?? "", (typed) => set({ [name]: typed }, { replace: true }));
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

/** The instant that a parameter of the address names; undefined when it names none. */
export function instantIn(params: URLSearchParams, name: string): string | undefined {
  const at = Date.parse(params.get(name) ?? "");
  return Number.isNaN(at) ? undefined : new Date(at).toISOString();
}

const WALL = "2026-11-21 13:15";

/** "2026-11-21 13:15", or a day, on the wall of the time zone, as an instant; undefined when it is none. */
function wallInstant(text: string, timeZone: string): string | undefined {
  const wall = text.trim().replace(" ", "T");
  return instantOf(/^\d{4}-\d{2}-\d{2}$/.test(wall) ? `${wall}T00:00` : wall, timeZone);
}

/**
 * A time on the wall of the user's time zone, written as every time is shown; an instant in the address, so that it
 * means the same to all. `forget` is a parameter that no longer holds when somebody changes it.
 */
export function InstantFilter({ name, label, forget }: { name: string; label: string; forget?: string }) {
  const { params, set } = useFilters();
  const timezone = useTimezone();
  const at = instantIn(params, name);
  const wall = at === undefined ? "" : absolute(at, timezone).slice(0, WALL.length);
  const write = (typed: string) => {
    const wanted = typed.trim() === "" ? undefined : wallInstant(typed, timezone);
    // While it is typed it is no time yet: what the address has stays until it is one.
    if (typed.trim() !== "" && wanted === undefined) return;
    set({ [name]: wanted ?? null, ...(forget === undefined ? {} : { [forget]: null }) }, { replace: true });
  };
  const [text, setText] = useTyped(wall, write, (typed) => wallInstant(typed, timezone) === at);
  const wrong = text.trim() !== "" && wallInstant(text, timezone) === undefined;
  return (
    <chakra.label display="flex" alignItems="center" gap={1} fontSize="sm" color="fg.muted">
      {label}
      <Input
        color="fg"
        size="sm"
        width="10.5rem"
        placeholder="YYYY-MM-DD HH:MM"
        maxLength={WALL.length + 3}
        title={`${label}, in ${timezone}`}
        aria-invalid={wrong}
        value={text}
        onChange={(event) => setText(event.target.value)}
      />
    </chakra.label>
  );
}

/** Add a word to those that a parameter has, or take it away. */
export function toggleWord(name: string, word: string): void {
  writeAddress((params) => {
    const words = params.getAll(name).filter(Boolean);
    params.delete(name);
    params.delete(PAGE);
    for (const one of words.includes(word) ? words.filter((other) => other !== word) : [...words, word]) params.append(name, one);
  });
}

/** Several words at once, each found by typing a part of it; a chosen one goes away with a click. */
export function WordsFilter({ name, label, choices }: { name: string; label: string; choices: readonly string[] | undefined }) {
  const { params } = useFilters();
  const list = useId();
  const [typed, setTyped] = useState("");
  const chosen = params.getAll(name).filter(Boolean);
  const offered = (choices ?? []).filter((choice) => !chosen.includes(choice));
  const take = (text: string) => {
    setTyped("");
    toggleWord(name, text);
  };
  // A word that is whole, and no beginning of another one, is what was meant; so is one that the list gave.
  const typing = (text: string, picked: boolean) => {
    const whole = offered.includes(text) && (picked || !offered.some((choice) => choice !== text && choice.startsWith(text)));
    if (whole) take(text);
    else setTyped(text);
  };
  return (
    <HStack gap={1} wrap="wrap">
      <Input
        size="sm"
        width="9rem"
        list={list}
        aria-label={label}
        placeholder={chosen.length === 0 ? `${label}: any` : `and ${label.toLowerCase()} …`}
        value={typed}
        onChange={(event) => typing(event.target.value, (event.nativeEvent as InputEvent).inputType === "insertReplacementText")}
        onKeyDown={(event) => {
          const word = typed.trim();
          if (event.key !== "Enter" || word === "") return;
          const [only, ...more] = offered.filter((choice) => choice.toLowerCase().includes(word.toLowerCase()));
          if (offered.includes(word)) take(word);
          else if (only !== undefined && more.length === 0) take(only);
        }}
      />
      <datalist id={list}>
        {offered.map((choice) => (
          <option key={choice} value={choice} />
        ))}
      </datalist>
      {chosen.map((word) => (
        <Button key={word} size="2xs" variant="solid" colorPalette="brand" aria-label={`Without ${label.toLowerCase()} ${word}`} onClick={() => toggleWord(name, word)}>
          {word} ×
        </Button>
      ))}
    </HStack>
  );
}
