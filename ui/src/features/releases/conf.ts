/** A run's configuration: a JSON object or nothing; throws with what is wrong. */
export function confOf(text: string): Record<string, unknown> | undefined {
  if (text.trim() === "") return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Error(`This is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Error("A JSON object is needed, such as {\"day\": 1}");
  return value as Record<string, unknown>;
}
