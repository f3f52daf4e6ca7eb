// What the map is coloured by, and light or dark.
import { computed, effect, signal } from "@preact/signals";

import type { ViewAnswer } from "../api/answers";
import { columnsShown, views } from "./session";

export type Theme = "system" | "light" | "dark";

const KEPT = "kinsight-theme";
const system = window.matchMedia("(prefers-color-scheme: dark)");
const systemDark = signal(system.matches);

export const theme = signal<Theme>(keptTheme());
export const dark = computed(
  () => theme.value === "dark" || (theme.value === "system" && systemDark.value),
);
/** Asked for by the person or the address; null: what fits the data best. */
export const wanted = signal<string | null>(null);
/** The category pointed at in the legend; null: samples without one; undefined: nothing. */
export const lit = signal<string | null | undefined>(undefined);
/** Whether the dragging hand moves the map or draws an outline. */
export const drawing = signal(false);

const BEST = ["label", "predicted", "fit", "density"];

export const colour = computed<string | null>(() => {
  const names = columnsShown.value.map((c) => c.name);
  if (wanted.value !== null && names.includes(wanted.value)) return wanted.value;
  return BEST.find((name) => names.includes(name)) ?? names[0] ?? null;
});

const LABELS = ["label", "planted_label", "predicted", "proposed_label"];
const natural = new Intl.Collator("en", { numeric: true });

/** All categories of a column in both views, and of all columns of labels: one order, one colour. */
export function orderOf(name: string): string[] {
  const together = LABELS.includes(name) ? LABELS : [name];
  const found = new Set<string>();
  for (const one of views.value)
    for (const c of one.columns)
      if (together.includes(c.name)) for (const category of c.categories ?? []) found.add(category);
  return [...found].sort(natural.compare);
}

export function has(view: ViewAnswer, name: string): boolean {
  return view.columns.some((c) => c.name === name && c.kind !== "text");
}

export function watchTheme(): void {
  system.addEventListener("change", (event) => (systemDark.value = event.matches));
  effect(() => {
    document.documentElement.dataset.theme = dark.value ? "dark" : "light";
    try {
      if (theme.value === "system") localStorage.removeItem(KEPT);
      else localStorage.setItem(KEPT, theme.value);
    } catch {
      // a browser that keeps nothing shows the system's choice
    }
  });
}

function keptTheme(): Theme {
  try {
    const kept = localStorage.getItem(KEPT);
    return kept === "light" || kept === "dark" ? kept : "system";
  } catch {
    return "system";
  }
}
