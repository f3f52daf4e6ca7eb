// Columns of all samples as flat arrays, each asked for once.
import type { Vector } from "apache-arrow";

import type { ViewAnswer } from "./answers";
import { askTable } from "./ask";

export interface Category {
  kind: "category";
  codes: Int32Array; // place in names; -1: none
  names: string[];
}

export interface Numbers {
  kind: "number";
  values: Float32Array; // NaN: none
}

export type Column = Category | Numbers;

export interface Places {
  x: Float32Array;
  y: Float32Array;
}

/** The column that no file holds: what a person decided. */
export const DECIDED = "@decision";
/** The column of /api/compare: neighbours that two views have in common. */
export const SHARED = "@shared";

const FLAGS = ["no", "yes"];
const columns = new Map<string, Promise<Column>>();
const places = new Map<number, Promise<Places>>();
const names = new Map<number, Promise<(string | null)[]>>();

/** A column of a view; the same promise however often it is asked for. */
export function column(view: ViewAnswer, name: string): Promise<Column> {
  return once(columns, `${view.id}/${name}`, () => loaded(view, name));
}

export function placesOf(view: ViewAnswer): Promise<Places> {
  return once(places, view.id, async () => {
    const table = await askTable(`/api/views/${view.id}/map`);
    return { x: floats(table.getChild("x")), y: floats(table.getChild("y")) };
  });
}

/** Name or id of every sample; null where it has none. */
export function namesOf(view: ViewAnswer): Promise<(string | null)[]> {
  return once(names, view.id, async () => {
    const table = await askTable(`/api/views/${view.id}/names`);
    return (table.getChild("name")?.toArray() ?? []) as (string | null)[];
  });
}

function once<K, V>(kept: Map<K, Promise<V>>, key: K, make: () => Promise<V>): Promise<V> {
  const known = kept.get(key);
  if (known) return known;
  const made = make();
  kept.set(key, made);
  made.catch(() => kept.delete(key)); // asked again next time
  return made;
}

async function loaded(view: ViewAnswer, name: string): Promise<Column> {
  if (name === SHARED) {
    const table = await askTable("/api/compare?a=0&b=1");
    return { kind: "number", values: floats(table.getChild("shared")) };
  }
  const table = await askTable(`/api/views/${view.id}/columns?names=${encodeURIComponent(name)}`);
  const found = table.getChild(name);
  const told = view.columns.find((c) => c.name === name);
  if (!found || !told) throw new Error(`no column ${name}`);
  if (told.kind === "category") return category(found, told.categories ?? []);
  if (told.kind === "flag") return flag(found);
  return { kind: "number", values: floats(found) };
}

function category(found: Vector, listed: string[]): Category {
  const codes = new Int32Array(found.length);
  let at = 0;
  for (const piece of found.data) {
    const indices = piece.values as Int32Array;
    for (let i = 0; i < piece.length; i++) codes[at + i] = piece.getValid(i) ? indices[i]! : -1;
    at += piece.length;
  }
  return { kind: "category", codes, names: listed };
}

function flag(found: Vector): Category {
  const codes = new Int32Array(found.length);
  for (let i = 0; i < found.length; i++) {
    const value = found.get(i) as boolean | null;
    codes[i] = value === null ? -1 : Number(value);
  }
  return { kind: "category", codes, names: FLAGS };
}

function floats(found: Vector | null): Float32Array {
  const values = new Float32Array(found?.length ?? 0);
  let at = 0;
  for (const piece of found?.data ?? []) {
    values.set((piece.values as Float32Array).subarray(0, piece.length), at);
    at += piece.length;
  }
  return values;
}
