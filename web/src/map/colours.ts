// Colours of samples: told apart by the colour-blind, the same as those of the report.
import { interpolateViridis } from "d3-scale-chromatic";

import type { ColumnAnswer } from "../api/answers";
import type { Category, Column } from "../api/columns";
import { FAINT } from "./plot";

/** Okabe and Ito 2008, without the yellow that white paper swallows. */
const CATEGORIES = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#777777"];
const SHAPES = 4; // with the next shape the colours begin again
export const MOST = CATEGORIES.length * SHAPES;
const NONE: Rgb = [150, 150, 150];
const STEPS = 256;

type Rgb = readonly [number, number, number];

export interface Mark {
  colour: string;
  shape: number; // circle, triangle, square, diamond
}

/** Place of each category among the marks; those beyond 28 share grey: the rarest. */
export function ranks(column: Category): Int32Array {
  const total = column.names.length;
  const places = Int32Array.from({ length: total }, (_, i) => i);
  if (total <= MOST) return places;
  const counts = new Float64Array(total);
  for (const code of column.codes) if (code >= 0) counts[code]!++;
  const order = [...places].sort((a, b) => counts[b]! - counts[a]! || a - b);
  order.forEach((code, place) => (places[code] = place < MOST ? place : -1));
  return places;
}

export function markOf(place: number): Mark {
  if (place < 0) return { colour: `rgb(${NONE.join(" ")})`, shape: 0 };
  const turn = Math.floor(place / CATEGORIES.length);
  return { colour: CATEGORIES[place % CATEGORIES.length]!, shape: turn % SHAPES };
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
  mask: Uint8Array | null;
  lit: number | null; // the category pointed at in the legend
  dark: boolean;
}

/** Red, green, blue and flags of every sample, for the plot. */
export function tintsOf(total: number, painted: Painted): Uint8Array {
  const { column, mask, lit } = painted;
  const colours = coloursOf(painted);
  const tints = new Uint8Array(4 * total);
  for (let i = 0; i < total; i++) {
    const code = column ? colours.codeOf(i) : -1;
    const [r, g, b, shape] = colours.table[code + 1]!;
    const other = lit !== null && column?.kind === "category" && column.codes[i] !== lit;
    const faint = (mask && !mask[i]) || other;
    tints[4 * i] = faint ? NONE[0] : r!;
    tints[4 * i + 1] = faint ? NONE[1] : g!;
    tints[4 * i + 2] = faint ? NONE[2] : b!;
    tints[4 * i + 3] = shape! + (faint ? FAINT : 0);
  }
  return tints;
}

/** A table of colours, the first for samples without a value, and each sample's place in it. */
function coloursOf({ column, told, dark }: Painted) {
  const none = [...NONE, 0];
  if (column?.kind === "category") {
    const places = ranks(column);
    const table = [...places].map((place) => {
      const mark = markOf(place);
      return place < 0 ? none : [...rgb(mark.colour), mark.shape];
    });
    return { table: [none, ...table], codeOf: (i: number) => column.codes[i]! };
  }
  const table = [none, ...ramp(dark).map((c) => [...c, 0])];
  if (!column) return { table: [[47, 111, 222, 0]], codeOf: () => -1 };
  const low = told?.low ?? 0;
  const width = (told?.high ?? 1) - low || 1;
  const codeOf = (i: number) => {
    const value = column.values[i]!;
    if (Number.isNaN(value)) return -1;
    return Math.min(STEPS - 1, Math.max(0, Math.floor(((value - low) / width) * STEPS)));
  };
  return { table, codeOf };
}

function rgb(colour: string): Rgb {
  const [r, g, b] = [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16));
  return [r!, g!, b!];
}
