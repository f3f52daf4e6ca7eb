// What the server said at the start, and what the page says to the person.
import { computed, signal } from "@preact/signals";

import type { About, ColumnAnswer, ViewAnswer } from "../api/answers";
import type { Refusal } from "../api/ask";
import { ask, refusal } from "../api/ask";
import { SHARED } from "../api/columns";

export const about = signal<About | null>(null);
/** Why nothing can be shown. */
export const failed = signal<Refusal | null>(null);
/** One sentence at the bottom, also read aloud; an error stays until it is closed. */
export const note = signal<{ text: string; error: boolean } | null>(null);
/** Which view's numbers the panel shows: 0 or 1. */
export const shown = signal(0);

export const views = computed<ViewAnswer[]>(() => about.value?.views ?? []);
export const view = computed<ViewAnswer | null>(() => views.value[shown.value] ?? null);

let noteTimer = 0;

export async function begin(): Promise<void> {
  try {
    about.value = await ask<About>("/api/about");
  } catch (error) {
    failed.value = refusal(error);
  }
}

export function tell(text: string): void {
  clearTimeout(noteTimer);
  note.value = { text, error: false };
  noteTimer = window.setTimeout(() => (note.value = null), 4000);
}

export function complain(error: unknown): void {
  clearTimeout(noteTimer);
  note.value = { text: refusal(error).whole, error: true };
}

/** Columns that can colour the map or filter it, those of comparing among them. */
export const columnsShown = computed<ColumnAnswer[]>(() => {
  const listed = (view.value?.columns ?? []).filter((c) => c.kind !== "text");
  const compared = about.value?.compare;
  if (!compared) return listed;
  const shared: ColumnAnswer = {
    name: SHARED,
    title: "neighbours in common",
    kind: "number",
    categories: null,
    low: 0,
    high: 1,
    group: "comparison",
    explains: compared.explains,
  };
  return [shared, ...listed];
});

/** The view whose pictures are shown, of all views of the same samples; null: none has any. */
export const pictured = computed<number | null>(
  () => [view.value, ...views.value].find((one) => one?.has.pictures)?.id ?? null,
);

export function titled(name: string): ColumnAnswer | undefined {
  return columnsShown.value.find((c) => c.name === name);
}
