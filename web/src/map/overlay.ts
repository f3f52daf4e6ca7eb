// Drawn over the points: links to neighbours, rings, the outline under the hand, class names.
import type { Places } from "../api/columns";
import type { Frame } from "./frame";
import type { Point } from "./geometry";

export interface Drawn {
  frame: Frame;
  places: Places;
  chosen: number | null;
  other: number | null;
  hovered: number | null;
  near: readonly { sample: number; similarity: number; agrees: boolean | null }[];
  outline: readonly Point[] | null; // in the data's places
  hand: readonly Point[]; // on the screen, while it is drawn
  dark: boolean;
  radius: number; // of a point
}

export function draw(canvas: HTMLCanvasElement, drawn: Drawn): void {
  const context = canvas.getContext("2d");
  if (!context) return;
  const scale = Math.min(2, window.devicePixelRatio);
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, drawn.frame.width, drawn.frame.height);
  const ink = drawn.dark ? "#ffffff" : "#111418";
  const accent = drawn.dark ? "#6ea0f5" : "#2f6fde";
  const warm = drawn.dark ? "#f08d5c" : "#c8501e";
  const at = (sample: number | null): Point | null => {
    if (sample === null) return null;
    const [x, y] = [drawn.places.x[sample], drawn.places.y[sample]];
    return Number.isFinite(x) && Number.isFinite(y) ? drawn.frame.toScreen(x!, y!) : null;
  };
  const centre = at(drawn.chosen);
  for (const one of drawn.near) {
    const end = at(one.sample);
    if (!centre || !end) continue;
    context.strokeStyle = one.agrees === false ? warm : accent;
    context.globalAlpha = 0.25 + 0.65 * Math.max(0, Math.min(1, one.similarity));
    line(context, centre, end);
    context.globalAlpha = 1;
    ring(context, end, drawn.radius + 2, context.strokeStyle, 1.5);
  }
  const second = at(drawn.other);
  if (second) ring(context, second, drawn.radius + 5, ink, 1.5);
  const pointed = at(drawn.hovered);
  if (pointed) ring(context, pointed, drawn.radius + 3, ink, 1.5);
  if (centre) {
    ring(context, centre, drawn.radius + 4, drawn.dark ? "#14161a" : "#ffffff", 5);
    ring(context, centre, drawn.radius + 4, ink, 2.5);
  }
  const outline = drawn.outline?.map(([x, y]) => drawn.frame.toScreen(x, y));
  for (const shape of [outline, drawn.hand]) if (shape?.length) closed(context, shape, accent);
}

function line(context: CanvasRenderingContext2D, from: Point, to: Point): void {
  context.lineWidth = 1.2;
  context.beginPath();
  context.moveTo(...from);
  context.lineTo(...to);
  context.stroke();
}

function ring(
  context: CanvasRenderingContext2D,
  [x, y]: Point,
  radius: number,
  colour: string | CanvasGradient | CanvasPattern,
  width: number,
): void {
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.stroke();
}

function closed(context: CanvasRenderingContext2D, shape: readonly Point[], colour: string): void {
  context.beginPath();
  shape.forEach(([x, y]) => context.lineTo(x, y));
  context.closePath();
  context.fillStyle = colour;
  context.globalAlpha = 0.1;
  context.fill();
  context.globalAlpha = 1;
  context.strokeStyle = colour;
  context.lineWidth = 1.5;
  context.setLineDash([5, 4]);
  context.stroke();
  context.setLineDash([]);
}
