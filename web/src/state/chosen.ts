// The sample that is looked at, the one it is compared with, and the queue it was taken from.
import { batch, computed, effect, signal } from "@preact/signals";

import type { NeighbourAnswer, QueueIds, SampleAnswer } from "../api/answers";
import type { Refusal } from "../api/ask";
import { ask, refusal } from "../api/ask";
import { mask } from "./filters";
import { shown, tell, view, views } from "./session";

export const chosen = signal<number | null>(null);
/** The sample asked about together with the chosen one: why are they alike? */
export const other = signal<number | null>(null);
export const queueName = signal<string | null>(null);
export const queue = signal<Loaded<QueueIds> | null>(null);
/** Where in the queue one is, also while looking at a neighbour; −1: not begun. */
export const place = signal(-1);

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
  batch(() => {
    if (one !== chosen.value) other.value = null;
    chosen.value = one;
  });
}

/** Asks why the chosen sample and another one are alike, in the eyes of a view's network. */
export function compareWith(one: number, viewId: number): void {
  batch(() => {
    shown.value = viewId;
    other.value = one;
  });
}

/** Whether a sample is the one at the place in the queue, and not one looked at beside it. */
export function atPlace(one: number): boolean {
  return idsOf(queue.value)[place.value] === one;
}

function idsOf(found: Loaded<QueueIds> | null): readonly number[] {
  return found?.state === "there" ? found.value.ids : [];
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
    const [name, on] = [queueName.value, view.value];
    queue.value = null;
    place.value = -1;
    if (name === null || !on) return;
    const stop = new AbortController();
    const path = `/api/queues/${encodeURIComponent(name)}?view=${on.id}`;
    follow(path, stop, (found: Loaded<QueueIds>) => {
      queue.value = found;
      if (found.state !== "there") return;
      const now = chosen.peek();
      if (now === null) goInQueue(0);
      else place.value = found.value.ids.indexOf(now);
    });
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

/** The sample at a place of the open queue. */
export function goInQueue(at: number): void {
  const one = idsOf(queue.value)[at];
  if (one === undefined) return;
  place.value = at;
  choose(one);
}

/** Steps through the open queue, from where one was in it; without one through what is shown. */
export function step(by: 1 | -1): void {
  const ids = idsOf(queue.value);
  const now = chosen.value;
  if (queueName.value !== null) {
    if (ids[place.value + by] !== undefined) goInQueue(place.value + by);
    else if (ids.length) tell(by > 0 ? "End of the queue." : "Start of the queue.");
    return;
  }
  const total = view.value?.samples ?? 0;
  let next = now === null ? (by > 0 ? 0 : total - 1) : now + by;
  while (next >= 0 && next < total && mask.value?.[next] === 0) next += by;
  if (next >= 0 && next < total) choose(next);
  else tell("No further sample is shown.");
}
