// One map on the page: points, what lies over them, and the hand that moves, points and encircles.
import { select } from "d3-selection";
import type { Selection } from "d3-selection";
import type { D3ZoomEvent, ZoomBehavior } from "d3-zoom";
import { zoom, zoomIdentity } from "d3-zoom";

import type { Places } from "../api/columns";
import { Frame } from "./frame";
import type { Point } from "./geometry";
import { boxOf, nearest, thinned } from "./geometry";
import type { Drawn } from "./overlay";
import { draw } from "./overlay";
import { Plot } from "./plot";

export interface Told {
  drawing: () => boolean; // whether the hand draws an outline; with shift it always does
  hovered: (sample: number | null, at: Point) => void;
  chosen: (sample: number | null) => void;
  encircled: (outline: Point[]) => void;
  drawn: (points: number) => void;
}

export type Marked = Pick<Drawn, "chosen" | "other" | "near" | "outline" | "dark">;

const REACH = 14; // pixels from the hand to a point
const STILL = 4; // pixels that a clicking hand may move
const CORNERS = 64; // of an outline
const FARTHEST = 4000;

export class MapScene {
  readonly missing: number;
  private readonly plot: Plot;
  private readonly box;
  private readonly hand: Selection<HTMLCanvasElement, unknown, null, undefined>;
  private readonly zooming: ZoomBehavior<HTMLCanvasElement, unknown>;
  private readonly watch: ResizeObserver;
  private frame: Frame;
  private mask: Uint8Array | null = null;
  private marked: Marked = { chosen: null, other: null, near: [], outline: null, dark: false };
  private hovered: number | null = null;
  private cleared = false;
  private path: Point[] = [];

  constructor(
    points: HTMLCanvasElement,
    private readonly over: HTMLCanvasElement,
    private readonly places: Places,
    private readonly told: Told,
  ) {
    this.box = boxOf(places.x, places.y);
    this.missing = this.box.missing;
    this.plot = new Plot(points, places.x, places.y, this.box, told.drawn);
    this.frame = new Frame(this.box, 1, 1, { k: 1, x: 0, y: 0 });
    this.hand = select(over);
    this.zooming = zoom<HTMLCanvasElement, unknown>()
      .scaleExtent([0.5, FARTHEST])
      .filter((event: MouseEvent) => {
        if (event.type === "wheel") return true;
        return !event.button && !told.drawing() && !event.shiftKey;
      })
      .on("zoom", (event: D3ZoomEvent<HTMLCanvasElement, unknown>) => {
        const { k, x, y } = event.transform;
        this.plot.move({ k, x, y });
        this.reframe();
      });
    this.hand.call(this.zooming);
    this.listen();
    this.watch = new ResizeObserver(() => this.resize());
    this.watch.observe(over);
    this.resize();
  }

  paint(tint: (sample: number) => number, mask: Uint8Array | null, dark: boolean): void {
    this.mask = mask;
    this.plot.paint(tint, dark);
  }

  mark(marked: Marked): void {
    this.marked = marked;
    this.overlay();
  }

  zoomBy(factor: number): void {
    this.hand.call(this.zooming.scaleBy, factor);
  }

  pan(dx: number, dy: number): void {
    const { k } = this.frame.camera;
    this.hand.call(this.zooming.translateBy, dx / k, dy / k);
  }

  fit(): void {
    this.hand.call(this.zooming.transform, zoomIdentity);
  }

  /** Moves the map so that a sample is in sight, if it is not. */
  reveal(sample: number): void {
    const [x, y] = [this.places.x[sample], this.places.y[sample]];
    if (!Number.isFinite(x) || !Number.isFinite(y)) return;
    const [px, py] = this.frame.toScreen(x!, y!);
    const { width, height, camera } = this.frame;
    const seen = px > 20 && py > 20 && px < width - 20 && py < height - 20;
    if (seen) return;
    this.hand.call(
      this.zooming.translateBy,
      (width / 2 - px) / camera.k,
      (height / 2 - py) / camera.k,
    );
  }

  dispose(): void {
    this.watch.disconnect();
    this.hand.on(".zoom", null);
    this.plot.dispose();
  }

  private resize(): void {
    const { clientWidth: width, clientHeight: height } = this.over;
    const scale = Math.min(2, window.devicePixelRatio);
    this.over.width = Math.max(1, width * scale);
    this.over.height = Math.max(1, height * scale);
    this.zooming.extent([
      [0, 0],
      [Math.max(1, width), Math.max(1, height)],
    ]);
    this.plot.resize(width, height);
    this.reframe();
  }

  private reframe(): void {
    const { clientWidth, clientHeight } = this.over;
    const { k, x, y } = this.transform();
    this.frame = new Frame(this.box, Math.max(1, clientWidth), Math.max(1, clientHeight), {
      k,
      x,
      y,
    });
    this.overlay();
  }

  private transform() {
    const node = this.over as HTMLCanvasElement & { __zoom?: typeof zoomIdentity };
    return node.__zoom ?? zoomIdentity;
  }

  private overlay(): void {
    const { chosen, other, near, outline } = this.marked;
    const empty =
      chosen === null &&
      other === null &&
      this.hovered === null &&
      !near.length &&
      !outline &&
      !this.path.length;
    if (empty && this.cleared) return; // a map that moves is drawn once a frame, not twice
    this.cleared = empty;
    draw(this.over, {
      ...this.marked,
      frame: this.frame,
      places: this.places,
      hovered: this.hovered,
      hand: this.path,
      radius: this.plot.size / 2,
    });
  }

  private listen(): void {
    const over = this.over;
    let pressed: Point | null = null;
    let moved = false; // a loop may end where it began
    over.addEventListener("pointerdown", (event) => {
      pressed = [event.offsetX, event.offsetY];
      moved = false;
      if (event.button || (!this.told.drawing() && !event.shiftKey)) return;
      over.setPointerCapture(event.pointerId);
      this.path = [pressed];
    });
    over.addEventListener("pointermove", (event) => {
      const at: Point = [event.offsetX, event.offsetY];
      if (pressed) {
        const [x, y] = pressed;
        const way = this.between(event);
        moved ||= way.some((one) => Math.hypot(one[0] - x, one[1] - y) >= STILL);
        if (this.path.length) this.path.push(...way);
      }
      if (this.path.length) this.overlay();
      else this.hover(event.buttons ? null : this.at(at), at);
    });
    over.addEventListener("pointerleave", () => this.hover(null, [0, 0]));
    over.addEventListener("pointercancel", () => {
      pressed = null;
      this.path = [];
      this.overlay();
    });
    over.addEventListener("pointerup", (event) => {
      const at: Point = [event.offsetX, event.offsetY];
      const click = pressed !== null && !moved && !event.button;
      pressed = null;
      if (this.path.length > 2 && moved) return this.enclose();
      this.path = [];
      if (click) this.told.chosen(this.at(at));
    });
  }

  /** Where the hand was since the last event: a slow page gets one event for many. */
  private between(event: PointerEvent): Point[] {
    const box = this.over.getBoundingClientRect();
    const all = event.getCoalescedEvents();
    return (all.length ? all : [event]).map((one): Point => [
      one.clientX - box.left,
      one.clientY - box.top,
    ]);
  }

  private enclose(): void {
    const outline = thinned(this.path, CORNERS).map(([x, y]) => this.frame.toData(x, y));
    this.path = [];
    this.overlay();
    this.told.encircled(outline);
  }

  private hover(sample: number | null, at: Point): void {
    if (sample === this.hovered && sample === null) return;
    this.hovered = sample;
    this.told.hovered(sample, at);
    this.overlay();
  }

  private at([px, py]: Point): number | null {
    const [x, y] = this.frame.toData(px, py);
    const found = nearest(this.places.x, this.places.y, this.mask, x, y, this.frame.length(REACH));
    return found < 0 ? null : found;
  }
}
