// One key each for what is done a thousand times.
import { choose, chosen, other, queueName, sample, step } from "./state/chosen";
import { drawing } from "./state/colouring";
import type { Kind } from "./state/decisions";
import { decideAndGo, undoAndGo } from "./parts/Decide";
import { openHelp } from "./parts/Help";

const STEPS = ["n", "p", "ArrowRight", "ArrowLeft"];

export function watchKeys(): void {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key; // caps lock
    if (event.repeat && !STEPS.includes(key)) return; // a held key decides nothing unseen
    const on = event.target as HTMLElement;
    if (document.querySelector("dialog[open]")) return;
    if (on.closest("input, select, textarea")) {
      if (event.key === "Escape") on.blur();
      return;
    }
    if (pressed(key)) event.preventDefault();
  });
}

function pressed(key: string): boolean {
  const plain: Record<string, () => void> = {
    n: () => step(1),
    p: () => step(-1),
    ArrowRight: () => step(1),
    ArrowLeft: () => step(-1),
    u: () => void undoAndGo(),
    l: () => (drawing.value = !drawing.value),
    "/": () => document.getElementById("search")?.focus(),
    "?": openHelp,
    Escape: close,
  };
  const decided: Record<string, Kind> = { k: "keep", r: "relabel", d: "drop" };
  const kind = decided[key];
  if (kind) return decideChosen(kind);
  plain[key]?.();
  return key in plain;
}

function decideChosen(kind: Kind): boolean {
  const found = sample.value;
  if (found?.state !== "there" || found.value.sample !== chosen.value) return false;
  const written = document.getElementById("new-label") as HTMLInputElement | null;
  void decideAndGo(found.value, kind, written?.value ?? "");
  return true;
}

function close(): void {
  if (drawing.value) drawing.value = false;
  else if (other.value !== null) other.value = null;
  else if (chosen.value !== null) choose(null);
  else queueName.value = null;
}
