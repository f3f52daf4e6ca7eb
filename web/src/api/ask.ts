// Questions to the server: JSON and columns of Arrow, and its errors as a person can read them.
import { tableFromIPC } from "apache-arrow";
import type { Table } from "apache-arrow";

/** What the server refused, or that it does not answer: expected, got, what to do. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly expected: string,
    readonly got: string,
    readonly todo: string,
  ) {
    super(`Expected ${expected}; got ${got}.`);
  }
}

/** The server is gone: nothing that was decided is lost, but nothing more can be asked. */
const GONE = new Refusal(
  0,
  "an answer of the explorer",
  "none",
  "see whether `kinsight explore` is still running, then reload this page",
);

export async function ask<T>(path: string, signal?: AbortSignal): Promise<T> {
  return (await sent(path, { signal })).json() as Promise<T>;
}

export async function askTable(path: string): Promise<Table> {
  return tableFromIPC(new Uint8Array(await (await sent(path, {})).arrayBuffer()));
}

/** A write: the token proves that it comes from this page. */
export async function write<T>(
  method: string,
  path: string,
  token: string,
  body?: unknown,
): Promise<T> {
  const answer = await sent(path, {
    method,
    headers: { "Content-Type": "application/json", "X-Kinsight-Token": token },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  return answer.json() as Promise<T>;
}

async function sent(path: string, how: RequestInit): Promise<Response> {
  let answer: Response;
  try {
    answer = await fetch(path, { ...how, credentials: "same-origin" });
  } catch (error) {
    if (how.signal?.aborted) throw error;
    throw GONE;
  }
  if (answer.ok) return answer;
  throw await refusalOf(answer);
}

async function refusalOf(answer: Response): Promise<Refusal> {
  try {
    const said = (await answer.json()).error;
    return new Refusal(answer.status, said.expected, said.got, said.do);
  } catch {
    return new Refusal(answer.status, "an answer", `status ${answer.status}`, "reload this page");
  }
}

/** Any error as a refusal, so that the page can show it. */
export function refusal(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  const said = error instanceof Error ? error.message : String(error);
  return new Refusal(-1, "the page to work", said, "reload this page");
}
