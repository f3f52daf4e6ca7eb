// Plane geometry of the map: outlines, the nearest point, the part of the plane that is shown.

export type Point = readonly [number, number];

/** Whether a place is inside an outline (even-odd rule). */
export function inside(outline: readonly Point[]): (x: number, y: number) => boolean {
  const n = outline.length;
  const lows = [0, 1].map((a) => Math.min(...outline.map((p) => p[a]!)));
  const highs = [0, 1].map((a) => Math.max(...outline.map((p) => p[a]!)));
  return (x, y) => {
    if (!(x >= lows[0]! && x <= highs[0]! && y >= lows[1]! && y <= highs[1]!)) return false;
    let odd = false;
    for (let i = 0, j = n - 1; i < n; j = i++) {
      const [ax, ay] = outline[i]!;
      const [bx, by] = outline[j]!;
      if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) odd = !odd;
    }
    return odd;
  };
}

/** At most `most` corners of an outline, evenly taken. */
export function thinned(outline: readonly Point[], most: number): Point[] {
  if (outline.length <= most) return [...outline];
  return Array.from({ length: most }, (_, i) => outline[Math.floor((i * outline.length) / most)]!);
}

/** The point nearest to a place within a distance; -1: none. One look at every point. */
export function nearest(
  xs: Float32Array,
  ys: Float32Array,
  mask: Uint8Array | null,
  x: number,
  y: number,
  within: number,
): number {
  let best = within * within;
  let found = -1;
  for (let i = 0; i < xs.length; i++) {
    const dx = xs[i]! - x;
    const dy = ys[i]! - y;
    const distance = dx * dx + dy * dy;
    if (distance <= best && (!mask || mask[i] === 1)) {
      best = distance;
      found = i;
    }
  }
  return found;
}

export interface Box {
  centre: Point;
  width: number;
  height: number;
  missing: number; // samples without a place
}

/** The smallest box around all points, its sides at least a little wide. */
export function boxOf(xs: Float32Array, ys: Float32Array): Box {
  let [left, right, low, high, missing] = [Infinity, -Infinity, Infinity, -Infinity, 0];
  for (let i = 0; i < xs.length; i++) {
    const x = xs[i]!;
    const y = ys[i]!;
    if (!Number.isFinite(x) || !Number.isFinite(y)) {
      missing++;
      continue;
    }
    if (x < left) left = x;
    if (x > right) right = x;
    if (y < low) low = y;
    if (y > high) high = y;
  }
  if (missing === xs.length) return { centre: [0, 0], width: 1, height: 1, missing };
  const least = Math.max(right - left, high - low, 1e-6) * 0.05;
  return {
    centre: [(left + right) / 2, (low + high) / 2],
    width: Math.max(right - left, least),
    height: Math.max(high - low, least),
    missing,
  };
}

/** Numbers 0 to n − 1 in a fixed random order, so that any first part of them is a fair sample. */
export function shuffled(n: number): Uint32Array {
  const order = Uint32Array.from({ length: n }, (_, i) => i);
  let state = 0x9e3779b9;
  for (let i = n - 1; i > 0; i--) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    const j = (state >>> 0) % (i + 1);
    const kept = order[i]!;
    order[i] = order[j]!;
    order[j] = kept;
  }
  return order;
}
