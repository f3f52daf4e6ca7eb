// Colours of samples: told apart by the colour-blind, the same on every map.
import { interpolateViridis } from "d3-scale-chromatic";

import type { ColumnAnswer } from "../api/answers";
import type { Category, Column } from "../api/columns";
import { FAINT } from "./plot";

/** Six of Okabe and Ito 2008 and four that differ from them in lightness; brighter in the dark. */
const LIGHT = [
  "#0072b2",
  "#e69f00",
  "#009e73",
  "#cc79a7",
  "#56b4e9",
  "#d55e00",
  "#6a4fc3",
  "#8c8c1f",
  "#882255",
  "#6b4a2b",
];
const DARK = [
  "#3d9bd6",
  "#e69f00",
  "#00b384",
  "#d98cb8",
  "#7cc7f0",
  "#e8743b",
  "#9a85e8",
  "#b8b84d",
  "#c0588f",
  "#b08a66",
];
const SHAPES = 4; // with the next shape the colours begin again
export const MOST = LIGHT.length * SHAPES;
const NONE: Rgb = [150, 150, 150];
const STEPS = 256;

type Rgb = readonly [number, number, number];

export interface Mark {
  colour: string;
  shape: number; // circle, triangle, square, diamond
}

/** Place of each category of a column among the marks, by one order of all names.
 *
 * Those beyond 40 share grey: the rarest.
 */
export function ranks(column: Category, order: readonly string[]): Int32Array {
  const place = new Map(order.map((name, i) => [name, i]));
  const places = Int32Array.from(column.names, (name) => place.get(name) ?? -1);
  if (order.length <= MOST) return places;
  const counts = new Float64Array(column.names.length);
  for (const code of column.codes) if (code >= 0) counts[code]!++;
  const common = [...counts.keys()].sort((a, b) => counts[b]! - counts[a]! || a - b);
  common.forEach((code, at) => (places[code] = at < MOST ? at : -1));
  return places;
}

export function markOf(place: number, dark: boolean): Mark {
  if (place < 0) return { colour: `rgb(${NONE.join(" ")})`, shape: 0 };
  const colours = dark ? DARK : LIGHT;
  const turn = Math.floor(place / colours.length);
  return { colour: colours[place % colours.length]!, shape: turn % SHAPES };
}

/** Low to high as colours; the end that the paper would swallow is left out. */
export function ramp(dark: boolean): Rgb[] {
  const [from, to] = dark ? [0.2, 1] : [0, 0.92];
  return Array.from({ length: STEPS }, (_, i) =>
    rgb(interpolateViridis(from + ((to - from) * i) / (STEPS - 1))),
  );
}

export interface Painted {
  column: Column | null;
  told: ColumnAnswer | undefined;
  order: readonly string[]; // of all names, for categories
  mask: Uint8Array | null;
  lit: string | null | undefined; // the category pointed at in the legend; null: samples of none
  dark: boolean;
}

/** Red, green, blue and flags of a sample in one number, the lowest byte first. */
export function tintOf(painted: Painted): (sample: number) => number {
  const { column, mask, lit } = painted;
  const colours = coloursOf(painted);
  const words = Uint32Array.from(colours.table, ([r, g, b, shape]) => packed(r!, g!, b!, shape!));
  const faint = Uint32Array.from(colours.table, ([, , , shape]) => packed(...NONE, shape! + FAINT));
  const one = column?.kind === "category" && lit !== undefined;
  const kept = one ? (lit === null ? -1 : column.names.indexOf(lit)) : 0;
  return (i) => {
    const code = colours.codeOf(i);
    const away = (mask !== null && mask[i] === 0) || (one && code !== kept);
    return (away ? faint : words)[code + 1]!;
  };
}

/** A table of colours, the first for samples without a value, and each sample's place in it. */
function coloursOf({ column, told, order, dark }: Painted) {
  const none = [...NONE, 0];
  if (column?.kind === "category") {
    const table = Array.from(ranks(column, order), (place) => {
      const mark = markOf(place, dark);
      return place < 0 ? none : [...rgb(mark.colour), mark.shape];
    });
    return { table: [none, ...table], codeOf: (i: number) => column.codes[i]! };
  }
  if (!column) return { table: [none], codeOf: () => -1 };
  const table = [none, ...ramp(dark).map((c) => [...c, 0])];
  const low = told?.low ?? 0;
  const width = (told?.high ?? 1) - low || 1;
  const codeOf = (i: number) => {
    const value = column.values[i]!;
    if (Number.isNaN(value)) return -1;
    return Math.min(STEPS - 1, Math.max(0, Math.floor(((value - low) / width) * STEPS)));
  };
  return { table, codeOf };
}

function packed(r: number, g: number, b: number, flags: number): number {
  return (r | (g << 8) | (b << 16) | (flags << 24)) >>> 0;
}

function rgb(colour: string): Rgb {
  const [r, g, b] = [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16));
  return [r!, g!, b!];
}
