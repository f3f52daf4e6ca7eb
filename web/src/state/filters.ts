// Which samples are shown: conditions on columns, an outline on the map, words searched for.
import { computed, effect, signal } from "@preact/signals";

import type { Found } from "../api/answers";
import { ask } from "../api/ask";
import type { Category, Numbers } from "../api/columns";
import { column, DECIDED, placesOf } from "../api/columns";
import type { Point } from "../map/geometry";
import { inside } from "../map/geometry";
import { decisions } from "./decisions";
import { complain, tell, view, views } from "./session";

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
/** 1 where a sample is shown; null: all are. */
export const mask = signal<Uint8Array | null>(null);
/** How many are shown. */
export const count = signal(0);

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
      total: found.samples,
      conditions: conditions.value,
      outline: outline.value,
      words: words.value.trim(),
      decided: DECIDED in conditions.value ? decisions.value : null,
    };
    const mine = ++turn;
    if (!filtering.value) {
      mask.value = null;
      count.value = found.samples;
      return;
    }
    masked(asked).then(
      (kept) => {
        if (mine !== turn) return;
        mask.value = kept;
        count.value = kept.reduce((sum, one) => sum + one, 0);
      },
      (error) => mine === turn && complain(error),
    );
  });
}

interface Asked {
  total: number;
  conditions: Readonly<Record<string, Condition>>;
  outline: { view: number; points: Point[] } | null;
  words: string;
}

async function masked(asked: Asked): Promise<Uint8Array> {
  const found = view.value!;
  const kept = new Uint8Array(asked.total).fill(1);
  for (const [name, condition] of Object.entries(asked.conditions)) {
    if (name === DECIDED) byDecision(kept, condition as { names: (string | null)[] });
    else keep(kept, await column(found, name), condition);
  }
  if (asked.outline) await byOutline(kept, asked.outline);
  if (asked.words) await byWords(kept, asked.words, found.id);
  return kept;
}

function keep(kept: Uint8Array, of: Category | Numbers, condition: Condition): void {
  if (of.kind === "category" && "names" in condition) {
    const wanted = new Set(condition.names.map((n) => (n === null ? -1 : of.names.indexOf(n))));
    for (let i = 0; i < kept.length; i++) if (!wanted.has(of.codes[i]!)) kept[i] = 0;
  } else if (of.kind === "number" && !("names" in condition)) {
    const low = condition.low ?? -Infinity;
    const high = condition.high ?? Infinity;
    for (let i = 0; i < kept.length; i++)
      if (!(of.values[i]! >= low && of.values[i]! <= high)) kept[i] = 0; // NaN is in no range
  }
}

function byDecision(kept: Uint8Array, condition: { names: (string | null)[] }): void {
  const made = decisions.value;
  for (let i = 0; i < kept.length; i++)
    if (!condition.names.includes(made.get(i)?.decision ?? null)) kept[i] = 0;
}

async function byOutline(kept: Uint8Array, drawn: { view: number; points: Point[] }) {
  const on = views.value[drawn.view];
  if (!on) return;
  const { x, y } = await placesOf(on);
  const within = inside(drawn.points);
  for (let i = 0; i < kept.length; i++) if (kept[i] && !within(x[i]!, y[i]!)) kept[i] = 0;
}

async function byWords(kept: Uint8Array, asked: string, id: number): Promise<void> {
  const found = await ask<Found>(`/api/search?view=${id}&q=${encodeURIComponent(asked)}`);
  if (found.total > found.ids.length)
    tell(`Showing the first ${found.ids.length} of ${found.total} samples found.`);
  const hits = new Set(found.ids);
  for (let i = 0; i < kept.length; i++) if (!hits.has(i)) kept[i] = 0;
}
