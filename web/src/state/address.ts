// The address says what is shown: it can be kept, sent, and gone back to.
import { batch, effect } from "@preact/signals";

import type { Point } from "../map/geometry";
import { chosen, other, queueName } from "./chosen";
import { wanted } from "./colouring";
import type { Condition } from "./filters";
import { conditions, outline, words } from "./filters";
import { about, shown, tell, views } from "./session";

const IS = "is."; // is.label=cat&is.label=dog: one of these
const IN = "in."; // in.density=0.5..2: a range
const CALM = 250; // milliseconds without a change, before the address follows
const NOTHING = "\u2205"; // samples without a value

/** Reads the address into the state, all of it at once. */
export function readAddress(): void {
  batch(readAll);
}

function readAll(): void {
  const asked = new URLSearchParams(location.search);
  const number = (name: string): number | null => {
    const said = asked.get(name);
    return said !== null && /^\d{1,15}$/.test(said) ? Number(said) : null;
  };
  shown.value = Math.min(number("view") ?? 0, Math.max(0, views.value.length - 1));
  wanted.value = asked.get("colour");
  const total = views.value[0]?.samples ?? 0;
  const within = (one: number | null) => (one !== null && one < total ? one : null);
  chosen.value = within(number("sample"));
  other.value = chosen.value === null ? null : within(number("with"));
  const known = about.value?.queues.map((one) => one.id) ?? [];
  const named = asked.get("queue");
  queueName.value = named !== null && known.includes(named) ? named : null;
  if (named !== null && queueName.value === null) tell(`There is no queue “${named}” here.`);
  words.value = asked.get("find") ?? "";
  outline.value = outlineOf(asked.get("outline"));
  conditions.value = conditionsOf(asked);
}

/** Writes the state into the address, one step of the history for each sample and queue. */
export function watchAddress(): void {
  let [lastSample, lastQueue] = [chosen.peek(), queueName.peek()];
  let later = 0;
  let reading = false;
  effect(() => {
    const said = addressOf();
    const step = chosen.value !== lastSample || queueName.value !== lastQueue;
    [lastSample, lastQueue] = [chosen.value, queueName.value];
    clearTimeout(later);
    if (reading) return;
    if (step) put(said, true);
    else later = window.setTimeout(() => put(said, false), CALM);
  });
  window.addEventListener("popstate", () => {
    reading = true;
    readAddress();
    reading = false;
  });
}

function put(said: string, step: boolean): void {
  const where = said ? `/?${said}` : "/";
  if (where === location.pathname + location.search) return;
  try {
    if (step) history.pushState(null, "", where);
    else history.replaceState(null, "", where);
  } catch {
    // browsers refuse many changes in a short time; the next one brings the address up to date
  }
}

function addressOf(): string {
  const said = new URLSearchParams();
  if (shown.value) said.set("view", String(shown.value));
  if (wanted.value) said.set("colour", wanted.value);
  if (queueName.value) said.set("queue", queueName.value);
  if (chosen.value !== null) said.set("sample", String(chosen.value));
  if (other.value !== null) said.set("with", String(other.value));
  if (words.value.trim()) said.set("find", words.value.trim());
  for (const [name, condition] of Object.entries(conditions.value)) {
    if ("names" in condition)
      for (const one of condition.names) said.append(IS + name, one ?? NOTHING);
    else said.set(IN + name, `${condition.low ?? ""}..${condition.high ?? ""}`);
  }
  if (outline.value) {
    const points = outline.value.points.flat().map((v) => Number(v.toPrecision(9)));
    said.set("outline", `${outline.value.view}:${points.join(",")}`);
  }
  return said.toString();
}

function conditionsOf(asked: URLSearchParams): Record<string, Condition> {
  const found: Record<string, Condition> = {};
  for (const [key, value] of asked) {
    if (key.startsWith(IS)) {
      const name = key.slice(IS.length);
      const before = found[name];
      const names = before && "names" in before ? before.names : [];
      found[name] = { names: [...names, value === NOTHING ? null : value] };
    } else if (key.startsWith(IN)) {
      const sides = value.split("..").map((v) => (v.trim() === "" ? null : Number(v)));
      if (sides.length === 2 && sides.every((v) => v === null || Number.isFinite(v)))
        found[key.slice(IN.length)] = { low: sides[0]!, high: sides[1]! };
    }
  }
  return found;
}

function outlineOf(said: string | null): { view: number; points: Point[] } | null {
  const parts = /^([01]):([-\d.e,+]+)$/.exec(said ?? "");
  if (!parts) return null;
  const numbers = parts[2]!.split(",").map(Number);
  if (numbers.length < 6 || numbers.length % 2 || !numbers.every(Number.isFinite)) return null;
  const points = Array.from({ length: numbers.length / 2 }, (_, i): Point => [
    numbers[2 * i]!,
    numbers[2 * i + 1]!,
  ]);
  return { view: Number(parts[1]), points };
}
