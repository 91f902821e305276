/** What tests ask of a page. */

/** Whether a button is drawn as the one to press: in its solid colour. */
export function isFilled(button: HTMLElement): boolean {
  const css = [...document.querySelectorAll("style")].map(({ textContent }) => textContent).join("\n");
  return [...button.classList].some((name) =>
    [...css.matchAll(new RegExp(`\\.${name}\\{([^}]*)\\}`, "g"))].some(([, rules]) => /(^|;)background:var\([^)]*-solid\)/.test(rules ?? "")),
  );
}
