// How the values of a column are spread; a range is chosen by dragging or by writing it.
import { useRef } from "preact/hooks";

import type { ColumnAnswer } from "../api/answers";
import { ramp } from "../map/colours";
import { dark } from "../state/colouring";
import type { Range } from "../state/filters";
import { conditions, setCondition } from "../state/filters";
import { short, whole } from "./words";

const BARS = 48;
const WIDTH = 240;
const HEIGHT = 56;

interface Props {
  told: ColumnAnswer;
  values: Float32Array;
  coloured?: boolean;
  filters?: boolean;
  at?: number | null; // a value that is marked
}

export function Histogram({ told, values, coloured, filters, at }: Props) {
  const spread = spreadOf(values, told);
  const start = useRef<number | null>(null);
  const frame = useRef(0);
  const condition = conditions.value[told.name] as Range | undefined;
  const place = (value: number) => (WIDTH * (value - spread.low)) / (spread.high - spread.low);
  const valueAt = (event: PointerEvent) => {
    const box = (event.currentTarget as SVGElement).getBoundingClientRect();
    const part = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    return spread.low + part * (spread.high - spread.low);
  };
  const drag = (event: PointerEvent) => {
    if (start.current === null) return;
    const [a, b] = [start.current, valueAt(event)].sort((x, y) => x - y);
    const open = { low: a! <= spread.low ? null : a!, high: b! >= spread.high ? null : b! };
    if (b! - a! <= (spread.high - spread.low) / 100) return;
    cancelAnimationFrame(frame.current); // one a frame, however fast the hand
    frame.current = requestAnimationFrame(() => setCondition(told.name, rounded(open)));
  };
  const hand = filters && {
    onPointerDown: (event: PointerEvent) => {
      (event.currentTarget as SVGElement).setPointerCapture(event.pointerId);
      start.current = valueAt(event);
    },
    onPointerMove: drag,
    onPointerUp: () => (start.current = null),
  };
  const colours = coloured ? ramp(dark.value) : null;
  return (
    <div class="histogram">
      <svg
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        preserveAspectRatio="none"
        class={filters ? "brush" : ""}
        role="img"
        aria-label={`${told.title}: from ${short(spread.least)} to ${short(spread.most)}`}
        {...(hand || {})}
      >
        {spread.bars.map((count, i) => {
          const height = count ? Math.max(1.5, (HEIGHT - 4) * Math.sqrt(count / spread.top)) : 0;
          const tint = colours?.[Math.floor(((i + 0.5) * colours.length) / BARS)];
          return (
            <rect
              key={i}
              x={(i * WIDTH) / BARS}
              y={HEIGHT - height}
              width={WIDTH / BARS - 0.6}
              height={height}
              fill={tint ? `rgb(${tint.join(" ")})` : undefined}
            />
          );
        })}
        {condition && "low" in condition && <Curtains condition={condition} place={place} />}
        {at !== null && at !== undefined && Number.isFinite(at) && (
          <path
            class="mark"
            d={`M${Math.min(WIDTH - 1, Math.max(1, place(at))).toFixed(1)} 0V${HEIGHT}`}
          />
        )}
      </svg>
      {filters ? (
        <Ends told={told} spread={spread} condition={condition} />
      ) : (
        <div class="ends soft">
          <span>{short(spread.low)}</span>
          <span>{short(spread.high)}</span>
        </div>
      )}
      {filters && spread.missing > 0 && <p class="soft">{whole(spread.missing)} without a value</p>}
    </div>
  );
}

function Curtains({ condition, place }: { condition: Range; place: (v: number) => number }) {
  const left = condition.low === null ? 0 : Math.max(0, place(condition.low));
  const right = condition.high === null ? WIDTH : Math.min(WIDTH, place(condition.high));
  return (
    <g class="curtain">
      <rect x={0} y={0} width={left} height={HEIGHT} />
      <rect x={right} y={0} width={Math.max(0, WIDTH - right)} height={HEIGHT} />
    </g>
  );
}

function Ends({
  told,
  spread,
  condition,
}: {
  told: ColumnAnswer;
  spread: Spread;
  condition: Range | undefined;
}) {
  const set = (side: "low" | "high", text: string) => {
    const value = text.trim() === "" ? null : Number(text);
    if (value !== null && !Number.isFinite(value)) return;
    const next = { low: condition?.low ?? null, high: condition?.high ?? null, [side]: value };
    setCondition(told.name, next.low === null && next.high === null ? null : next);
  };
  const field = (side: "low" | "high", edge: number) => (
    <label>
      <span class="hidden">
        {told.title} {side === "low" ? "from" : "to"}
      </span>
      <input
        type="number"
        step="any"
        placeholder={short(edge)}
        value={condition?.[side] ?? ""}
        onChange={(event) => set(side, event.currentTarget.value)}
      />
    </label>
  );
  return (
    <div class="ends">
      {field("low", spread.low)}
      <span class="soft">to</span>
      {field("high", spread.high)}
    </div>
  );
}

interface Spread {
  bars: number[];
  top: number;
  low: number;
  high: number;
  least: number;
  most: number;
  missing: number;
}

const spreads = new WeakMap<Float32Array, Spread>();

/** Counted once a column: it is drawn for every sample that is looked at. */
function spreadOf(values: Float32Array, told: ColumnAnswer): Spread {
  const known = spreads.get(values);
  if (known) return known;
  const made = counted(values, told.low, told.high);
  spreads.set(values, made);
  return made;
}

/** Counts between the 1st and 99th percentile; what lies outside is in the first and last bar. */
function counted(values: Float32Array, from: number | null, to: number | null): Spread {
  const low = from ?? 0;
  const high = to !== null && to > low ? to : low + 1;
  const bars = Array<number>(BARS).fill(0);
  let [least, most, missing] = [Infinity, -Infinity, 0];
  for (const value of values) {
    if (Number.isNaN(value)) {
      missing++;
      continue;
    }
    if (value < least) least = value;
    if (value > most) most = value;
    const bar = Math.floor(((value - low) / (high - low)) * BARS);
    bars[Math.min(BARS - 1, Math.max(0, bar))]!++;
  }
  return { bars, top: Math.max(1, ...bars), low, high, least, most, missing };
}

function rounded({ low, high }: Range): Range {
  const three = (v: number | null) => (v === null ? null : Number(v.toPrecision(4)));
  return { low: three(low), high: three(high) };
}
