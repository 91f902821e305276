/** How far new runs of a Dag are behind what its bundle shows, in words. */
import type { Schemas } from "src/api/schemas";

export function behindWords({ versions, kind }: Schemas["Behind"]): string {
  const said = `${versions} ${versions === 1 ? "version" : "versions"} behind`;
  return kind === "other files" ? `${said}, only other files` : said;
}
