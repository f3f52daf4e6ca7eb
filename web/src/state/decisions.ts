// Decisions: on the server's disk before the page shows them.
import { computed, signal } from "@preact/signals";

import type { Chosen, DecisionsAnswer, Written } from "../api/answers";
import { ask, write } from "../api/ask";
import { about, complain, tell } from "./session";

export type Kind = "keep" | "relabel" | "drop";

export const decisions = signal<ReadonlyMap<number, Chosen>>(new Map());
export const undoable = signal(0);
export const writing = signal(false);

export const tally = computed(() => {
  const count = { keep: 0, relabel: 0, drop: 0 };
  for (const one of decisions.value.values()) count[one.decision as Kind]++;
  return count;
});

export async function readDecisions(): Promise<void> {
  const kept = await ask<DecisionsAnswer>("/api/decisions");
  decisions.value = new Map(
    kept.decisions.map((d) => [d.sample, { decision: d.decision, label: d.label }]),
  );
  undoable.value = kept.undo;
}

export function decide(sample: number, decision: Kind, label: string | null): Promise<boolean> {
  const said = decision === "relabel" ? `relabelled ${label}` : `marked ${decision}`;
  return change("PUT", `/api/decisions/${sample}`, `Sample ${sample} ${said}.`, {
    decision,
    label,
  });
}

export function withdraw(sample: number): Promise<boolean> {
  return change("DELETE", `/api/decisions/${sample}`, `Decision about sample ${sample} withdrawn.`);
}

/** The sample whose decision was taken back. */
export async function undo(): Promise<number | null> {
  if (undoable.value === 0) {
    tell("Nothing to undo.");
    return null;
  }
  let back: number | null = null;
  await change("POST", "/api/decisions/undo", (done) => {
    back = done.sample;
    return `Undone: sample ${done.sample} is ${done.decision?.decision ?? "undecided"} again.`;
  });
  return back;
}

type Said = string | ((done: Written) => string);

async function change(method: string, path: string, said: Said, body?: unknown): Promise<boolean> {
  if (writing.peek()) return false; // one after the other
  writing.value = true;
  try {
    const done = await write<Written>(method, path, about.value?.token ?? "", body);
    const now = new Map(decisions.value);
    if (done.decision) now.set(done.sample, done.decision);
    else now.delete(done.sample);
    decisions.value = now;
    undoable.value = done.undo;
    tell(typeof said === "string" ? said : said(done));
    return true;
  } catch (error) {
    complain(error);
    return false;
  } finally {
    writing.value = false;
  }
}
