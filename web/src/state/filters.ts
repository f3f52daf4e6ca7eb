// Which samples are shown: conditions on columns, an outline on the map, words searched for.
import { computed, effect, signal } from "@preact/signals";

import type { Chosen, ViewAnswer } from "../api/answers";
import { askTable, Refusal } from "../api/ask";
import type { Column } from "../api/columns";
import { column, DECIDED, placesOf } from "../api/columns";
import type { Point } from "../map/geometry";
import { inside } from "../map/geometry";
import { decisions } from "./decisions";
import { complain, titled, view, views } from "./session";

export interface Range {
  low: number | null; // null: no limit on this side
  high: number | null;
}

/** What a column may be: names of categories (null: those without), or a range. */
export type Condition = { names: (string | null)[] } | Range;

export const conditions = signal<Readonly<Record<string, Condition>>>({});
/** An outline drawn on the map of a view. */
export const outline = signal<{ view: number; points: Point[] } | null>(null);
export const words = signal("");
/** 1 where a sample is shown; null: all are. Of the filters that were last ready. */
export const mask = signal<Uint8Array | null>(null);
/** How many are shown. */
export const count = signal(0);
/** Whether `mask` is that of the filters as they are now. */
export const state = signal<"ready" | "working" | "failed">("ready");

export const filtering = computed(
  () =>
    Object.keys(conditions.value).length > 0 || outline.value !== null || words.value.trim() !== "",
);

export function setCondition(name: string, condition: Condition | null): void {
  const { [name]: _, ...others } = conditions.value;
  conditions.value = condition ? { ...others, [name]: condition } : others;
}

export function clearFilters(): void {
  conditions.value = {};
  outline.value = null;
  words.value = "";
}

/** Numbers of the samples that are shown, in their order. */
export function shownSamples(): number[] {
  const total = view.value?.samples ?? 0;
  const kept = mask.value;
  return Array.from({ length: total }, (_, i) => i).filter((i) => !kept || kept[i] === 1);
}

export const DECISION_NAMES = ["keep", "relabel", "drop"];

let turn = 0;

/** Follows every condition; the newest wins when answers come late. */
export function watchFilters(): void {
  effect(() => {
    const found = view.value;
    if (!found) return;
    const asked = {
      on: found,
      conditions: conditions.value,
      outline: outline.value,
      words: words.value.trim(),
      decided: DECIDED in conditions.value ? decisions.value : null,
    };
    const mine = ++turn;
    if (!filtering.value) {
      mask.value = null;
      count.value = found.samples;
      state.value = "ready";
      return;
    }
    state.value = "working";
    const stop = new AbortController();
    masked(asked, stop.signal).then(
      (kept) => {
        if (mine !== turn) return;
        mask.value = kept;
        count.value = kept.reduce((sum, one) => sum + one, 0);
        state.value = "ready";
      },
      (error) => {
        if (mine !== turn) return;
        mask.value = null;
        state.value = "failed";
        complain(error);
      },
    );
    return () => stop.abort();
  });
}

interface Asked {
  on: ViewAnswer;
  conditions: Readonly<Record<string, Condition>>;
  outline: { view: number; points: Point[] } | null;
  words: string;
  decided: ReadonlyMap<number, Chosen> | null;
}

async function masked(asked: Asked, stop: AbortSignal): Promise<Uint8Array> {
  const kept = new Uint8Array(asked.on.samples).fill(1);
  for (const [name, condition] of Object.entries(asked.conditions)) {
    if (name === DECIDED) byDecision(kept, condition, asked.decided);
    else if (titled(name)) keep(kept, await column(asked.on, name), condition, name);
    else throw new Refusal(-1, `The filter on ${name} has no such column here.`, DROP);
  }
  if (asked.outline) await byOutline(kept, asked.outline);
  if (asked.words) await byWords(kept, asked.words, asked.on, stop);
  return kept;
}

const DROP = "remove that filter";
const MISSING = -1; // code of samples without a value
const UNKNOWN = -2; // of a name that this view does not have: no sample

function keep(kept: Uint8Array, of: Column, condition: Condition, name: string): void {
  if (of.kind === "category" && "names" in condition) {
    const codes = condition.names.map((n) => {
      if (n === null) return MISSING;
      const code = of.names.indexOf(n);
      return code < 0 ? UNKNOWN : code;
    });
    const wanted = new Set(codes);
    for (let i = 0; i < kept.length; i++) if (!wanted.has(of.codes[i]!)) kept[i] = 0;
  } else if (of.kind === "number" && !("names" in condition)) {
    const low = condition.low ?? -Infinity;
    const high = condition.high ?? Infinity;
    for (let i = 0; i < kept.length; i++)
      if (!(of.values[i]! >= low && of.values[i]! <= high)) kept[i] = 0; // NaN is in no range
  } else {
    const expected = of.kind === "number" ? "a range" : "some of its names";
    throw new Refusal(-1, `The filter on ${name} is not ${expected}.`, DROP);
  }
}

function byDecision(
  kept: Uint8Array,
  condition: Condition,
  made: ReadonlyMap<number, Chosen> | null,
): void {
  if (!("names" in condition)) throw new Refusal(-1, "The filter on decisions is no range.", DROP);
  for (let i = 0; i < kept.length; i++)
    if (!condition.names.includes(made?.get(i)?.decision ?? null)) kept[i] = 0;
}

async function byOutline(kept: Uint8Array, drawn: { view: number; points: Point[] }) {
  const on = views.value[drawn.view];
  if (!on) return;
  const { x, y } = await placesOf(on);
  const within = inside(drawn.points);
  for (let i = 0; i < kept.length; i++) if (kept[i] && !within(x[i]!, y[i]!)) kept[i] = 0;
}

async function byWords(
  kept: Uint8Array,
  asked: string,
  on: ViewAnswer,
  stop: AbortSignal,
): Promise<void> {
  const table = await askTable(`/api/search?view=${on.id}&q=${encodeURIComponent(asked)}`, stop);
  const found = table.getChild("found");
  let at = 0;
  for (const piece of found?.data ?? []) {
    const bits = piece.values as Uint8Array;
    for (let i = 0; i < piece.length; i++, at++) {
      const bit = i + piece.offset;
      if (!((bits[bit >> 3]! >> (bit & 7)) & 1)) kept[at] = 0;
    }
  }
}
