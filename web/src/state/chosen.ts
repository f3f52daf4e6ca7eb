// The sample that is looked at, the one it is compared with, and the queue it was taken from.
import { computed, effect, signal } from "@preact/signals";

import type { NeighbourAnswer, QueueIds, SampleAnswer } from "../api/answers";
import type { Refusal } from "../api/ask";
import { ask, refusal } from "../api/ask";
import { about, complain, tell, view, views } from "./session";

export const chosen = signal<number | null>(null);
/** The sample asked about together with the chosen one: why are they alike? */
export const other = signal<number | null>(null);
export const queueName = signal<string | null>(null);
export const queue = signal<QueueIds | null>(null);

/** What is asked for and not yet there, there, or refused. */
export type Loaded<T> = { state: "loading" } | { state: "there"; value: T } | Refused;
export interface Refused {
  state: "refused";
  refusal: Refusal;
}

export const sample = signal<Loaded<SampleAnswer> | null>(null);

/** A list of neighbours beside others: of one view, by one similarity. */
export interface Beside {
  view: number;
  by: string;
  title: string;
}

export const NETWORK = "network";
const TITLES: Record<string, string> = { network: "the network", input: "raw input" };

/** All lists there are; of two views the network's own come first. */
export const lists = computed<Beside[]>(() => {
  const several = views.value.length > 1;
  const all = views.value.flatMap((v) =>
    v.similarities.map((by) => ({
      view: v.id,
      by,
      title: several ? `${v.path_name}: ${TITLES[by] ?? by}` : (TITLES[by] ?? by),
    })),
  );
  return all.sort((a, b) => Number(b.by === NETWORK) - Number(a.by === NETWORK));
});

export const neighbours = signal<ReadonlyMap<string, Loaded<NeighbourAnswer[]>>>(new Map());
export const keyOf = (beside: Beside): string => `${beside.view}/${beside.by}`;

/** Neighbours of the chosen sample by the network of a view, once they are there. */
export function linked(viewId: number): NeighbourAnswer[] {
  const found = neighbours.value.get(`${viewId}/${NETWORK}`);
  return found?.state === "there" ? found.value : [];
}

export function choose(one: number | null): void {
  if (one !== chosen.value) other.value = null;
  chosen.value = one;
}

const NEIGHBOURS = 12;

/** Asks for what is chosen; answers about something else that come late are thrown away. */
export function watchChosen(): void {
  effect(() => {
    const [one, on, listed] = [chosen.value, view.value, lists.value];
    if (one === null || !on) {
      sample.value = null;
      neighbours.value = new Map();
      return;
    }
    const stop = new AbortController();
    follow(`/api/views/${on.id}/samples/${one}`, stop, (found: Loaded<SampleAnswer>) => {
      sample.value = found;
    });
    neighbours.value = new Map();
    for (const beside of listed) {
      const path = `/api/views/${beside.view}/samples/${one}/neighbours`;
      follow(
        `${path}?by=${encodeURIComponent(beside.by)}&k=${NEIGHBOURS}`,
        stop,
        (found: Loaded<NeighbourAnswer[]>) => {
          neighbours.value = new Map(neighbours.peek()).set(keyOf(beside), found);
        },
      );
    }
    return () => stop.abort();
  });
  effect(() => {
    const name = queueName.value;
    const listed = about.value !== null;
    queue.value = null;
    if (name === null || !listed) return;
    const stop = new AbortController();
    ask<QueueIds>(`/api/queues/${name}?view=${view.peek()?.id ?? 0}`, stop.signal).then(
      (found) => {
        queue.value = found;
        if (chosen.peek() === null) choose(found.ids[0] ?? null);
      },
      (error) => {
        if (!stop.signal.aborted) complain(error);
      },
    );
    return () => stop.abort();
  });
}

/** The answer of a route as it comes; `set` is called with loading only if it is not there soon. */
export function follow<T>(path: string, stop: AbortController, set: (l: Loaded<T>) => void): void {
  const soon = window.setTimeout(() => set({ state: "loading" }), 80);
  ask<T>(path, stop.signal).then(
    (value) => done({ state: "there", value }),
    (error) => done({ state: "refused", refusal: refusal(error) }),
  );
  function done(found: Loaded<T>): void {
    clearTimeout(soon);
    if (!stop.signal.aborted) set(found);
  }
  stop.signal.addEventListener("abort", () => clearTimeout(soon));
}

/** Steps through the open queue, or through all samples where none is open. */
export function step(by: 1 | -1): void {
  const ids = queue.value?.ids;
  const now = chosen.value;
  if (ids) {
    const at = now === null ? -1 : ids.indexOf(now);
    const next = ids[at < 0 ? 0 : at + by];
    if (next === undefined) tell(by > 0 ? "End of the queue." : "Start of the queue.");
    else choose(next);
    return;
  }
  const total = view.value?.samples ?? 0;
  const next = now === null ? 0 : now + by;
  if (next >= 0 && next < total) choose(next);
}
