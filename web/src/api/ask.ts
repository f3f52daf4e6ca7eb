// Questions to the server: JSON and columns of Arrow, and its errors as a person can read them.
import { tableFromIPC } from "apache-arrow";
import type { Table } from "apache-arrow";

/** What the server refused, or that it does not answer: what is wrong, and what to do. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly todo: string | null,
  ) {
    super(message);
  }

  get whole(): string {
    return this.todo === null ? this.message : `${this.message} What to do: ${this.todo}.`;
  }
}

/** The server is gone: nothing that was decided is lost, but nothing more can be asked. */
const GONE = new Refusal(
  0,
  "The explorer does not answer.",
  "see whether `kinsight explore` is still running, then reload this page",
);

export async function ask<T>(path: string, signal?: AbortSignal): Promise<T> {
  return (await sent(path, { signal })).json() as Promise<T>;
}

export async function askTable(path: string, signal?: AbortSignal): Promise<Table> {
  return tableFromIPC(new Uint8Array(await (await sent(path, { signal })).arrayBuffer()));
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
    if (typeof said.message === "string") return new Refusal(answer.status, said.message, null);
    return new Refusal(answer.status, `Expected ${said.expected}; got ${said.got}.`, said.do);
  } catch {
    return new Refusal(answer.status, `The answer was ${answer.status}.`, "reload this page");
  }
}

/** Any error as a refusal, so that the page can show it. */
export function refusal(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  const said = error instanceof Error ? error.message : String(error);
  return new Refusal(-1, `The page failed: ${said}.`, "reload this page");
}
