/** Calls of Pinwheel's REST API, and of Airflow's own. The session's cookie says who asks. */
import createClient from "openapi-fetch";

import { ApiError, OfflineError } from "src/api/errors";
import type { Problem } from "src/api/errors";
import type { paths } from "src/api/schema";

/** An address of this Airflow, wherever it is mounted. */
export function serverUrl(path: string): string {
  return new URL(path.replace(/^\//, ""), document.baseURI).href;
}

async function send(request: Request): Promise<Response> {
  try {
    return await fetch(request);
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new OfflineError();
  }
}

export const api = createClient<paths>({ baseUrl: serverUrl("pinwheel"), fetch: send });

interface Answer<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** The body of a good answer; throws ApiError or OfflineError. `await answer(api.GET("/api/v1/dags", …))`. */
export async function answer<T>(call: Promise<Answer<T>>): Promise<T> {
  const { data, error, response } = await call;
  if (!response.ok) {
    const problem = typeof error === "object" && error !== null ? (error as Partial<Problem>) : {};
    throw new ApiError(response.status, problem);
  }
  return data as T;
}

/** GET of Airflow's own API: `airflow<Log>("api/v2/dags/…", { full_content: true })`. */
export async function airflow<T>(
  path: string,
  params: Record<string, string | number | boolean> = {},
  signal?: AbortSignal,
): Promise<T> {
  const url = new URL(serverUrl(path));
  for (const [name, value] of Object.entries(params)) url.searchParams.set(name, String(value));
  const response = await send(new Request(url, { headers: { Accept: "application/json" }, signal }));
  const body: unknown = await response.json().catch(() => ({}));
  if (!response.ok) {
    const { detail } = body as { detail?: unknown };
    throw new ApiError(response.status, { detail: typeof detail === "string" ? detail : undefined });
  }
  return body as T;
}

/** An id that makes a repeated request harmless; `randomUUID` needs https. */
export function requestKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
