/** A bundle version, short: the first letters of a commit, or of whatever names it. */
export function shortVersion(version: string | null | undefined): string {
  if (version === null || version === undefined) return "";
  return /^[0-9a-f]{40}$/.test(version) ? version.slice(0, 8) : version.slice(0, 16);
}
