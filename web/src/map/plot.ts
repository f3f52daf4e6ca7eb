// Points on the graphics card: one vertex a sample, drawn in a random order that never changes.
//
// While the map moves only as many points are drawn as the machine manages smoothly: the first
// part of a random order is a fair sample of all. When it rests, all are there.
import {
  BufferAttribute,
  BufferGeometry,
  GLSL3,
  OrthographicCamera,
  Points,
  Scene,
  ShaderMaterial,
  Vector2,
  WebGLRenderer,
} from "three";

import type { Box } from "./geometry";
import { shuffled } from "./geometry";

/** Flags of a point, beside its colour; the two lowest bits are its shape. */
export const FAINT = 4;

/** screen = shift + scale · place, in CSS pixels, y downwards. */
export interface Camera {
  k: number;
  x: number;
  y: number;
}

const VERTEX = `
  in vec2 place; in vec4 tint;
  uniform vec2 scale; uniform vec2 shift; uniform float size;
  out vec3 colour; flat out int flags;
  void main() {
    flags = int(tint.a + 0.5);
    gl_Position = vec4(place * scale + shift, 0.0, 1.0);
    gl_PointSize = flags >= ${FAINT} ? max(1.0, 0.7 * size) : size;
    colour = tint.rgb / 255.0;
  }`;
// Circle, triangle, square, diamond; small points are squares, which are faster.
const FRAGMENT = `
  precision highp float;
  in vec3 colour; flat in int flags;
  uniform float size; uniform float opacity; uniform float faint;
  out vec4 pixel;
  void main() {
    float alpha = flags >= ${FAINT} ? faint : opacity;
    if (size > 3.5) {
      vec2 p = 2.0 * gl_PointCoord - 1.0;
      int shape = flags % 4;
      float edge = shape == 1 ? max(p.y - 0.75, abs(p.x) * 0.9 - 0.45 * p.y - 0.45)
        : shape == 2 ? max(abs(p.x), abs(p.y)) - 0.82
        : shape == 3 ? abs(p.x) + abs(p.y) - 1.0
        : length(p) - 0.95;
      float soft = 1.6 / size;
      alpha *= 1.0 - smoothstep(-soft, soft, edge);
      if (alpha <= 0.01) discard;
    }
    pixel = vec4(colour * alpha, alpha);
  }`;
const FEWEST = 25_000; // points while moving
const SLOW = 45; // milliseconds a frame
const FAST = 25;
const REST = 250; // milliseconds without movement
const AT_FIRST = 200_000; // points while moving, before the machine's pace is known

export class Plot {
  readonly order: Uint32Array;
  private readonly renderer: WebGLRenderer;
  private readonly scene = new Scene();
  private readonly eye = new OrthographicCamera();
  private readonly geometry = new BufferGeometry();
  private readonly material: ShaderMaterial;
  private readonly tints: Uint8Array;
  private budget: number;
  private asked = 0;
  private lastFrame = 0;
  private resting = true;
  private rest = 0;
  private wasMoving = false;
  private camera: Camera = { k: 1, x: 0, y: 0 };
  private width = 1;
  private height = 1;

  /** Throws where the browser has no WebGL 2. */
  constructor(
    readonly canvas: HTMLCanvasElement,
    xs: Float32Array,
    ys: Float32Array,
    readonly box: Box,
    private readonly drawn: (points: number) => void,
  ) {
    this.renderer = new WebGLRenderer({ canvas, alpha: true, antialias: false });
    this.renderer.setClearColor(0x000000, 0);
    this.order = shuffled(xs.length);
    this.budget = Math.min(xs.length, AT_FIRST);
    const places = new Float32Array(2 * xs.length);
    const half = this.unit;
    this.order.forEach((sample, at) => {
      places[2 * at] = (xs[sample]! - box.centre[0]) / half; // NaN: drawn nowhere
      places[2 * at + 1] = (ys[sample]! - box.centre[1]) / half;
    });
    this.tints = new Uint8Array(4 * xs.length);
    this.geometry.setAttribute("place", new BufferAttribute(places, 2));
    this.geometry.setAttribute("tint", new BufferAttribute(this.tints, 4));
    this.material = pointMaterial();
    canvas.addEventListener("webglcontextrestored", () => this.redraw());
    const points = new Points(this.geometry, this.material);
    points.frustumCulled = false;
    this.scene.add(points);
  }

  /** Half the longer side of the box: the unit of places on the card. */
  get unit(): number {
    return Math.max(this.box.width, this.box.height) / 2;
  }

  resize(width: number, height: number): void {
    this.width = Math.max(1, width);
    this.height = Math.max(1, height);
    this.renderer.setPixelRatio(Math.min(2, window.devicePixelRatio));
    this.renderer.setSize(this.width, this.height, false);
    this.redraw();
  }

  /** `tint` gives red, green, blue and flags of a sample, the lowest byte first. */
  paint(tint: (sample: number) => number, dark: boolean): void {
    const words = new Uint32Array(this.tints.buffer);
    const { order } = this;
    for (let at = 0; at < order.length; at++) words[at] = tint(order[at]!);
    (this.geometry.getAttribute("tint") as BufferAttribute).needsUpdate = true;
    this.material.uniforms.faint!.value = dark ? 0.2 : 0.16;
    this.redraw();
  }

  move(camera: Camera): void {
    this.camera = camera;
    this.resting = false;
    clearTimeout(this.rest);
    this.rest = window.setTimeout(() => {
      this.resting = true;
      this.redraw();
    }, REST);
    this.redraw();
  }

  redraw(): void {
    if (!this.asked) this.asked = requestAnimationFrame((now) => this.frame(now));
  }

  dispose(): void {
    cancelAnimationFrame(this.asked);
    clearTimeout(this.rest);
    this.geometry.dispose();
    this.material.dispose();
    this.renderer.dispose();
  }

  /** Diameter of a point in CSS pixels: smaller where there are many, larger when zoomed in. */
  get size(): number {
    const room = (0.25 * this.width * this.height) / Math.max(1, this.order.length);
    const base = Math.min(9, Math.max(1.6, 0.75 * Math.sqrt(room)));
    return Math.min(14, base * Math.max(1, this.camera.k) ** 0.35);
  }

  private frame(now: number): void {
    this.asked = 0;
    const moving = !this.resting;
    if (moving && this.wasMoving) this.adapt(now - this.lastFrame);
    this.wasMoving = moving;
    this.lastFrame = now;
    const points = moving ? Math.min(this.budget, this.order.length) : this.order.length;
    this.render(points);
    this.drawn(points);
  }

  /** Fewer points in the next frame when the last one came late, more when it came early. */
  private adapt(took: number): void {
    if (took > SLOW && took < 5000) this.budget = Math.max(FEWEST, this.budget * 0.5);
    else if (took < FAST) this.budget = Math.min(this.order.length, this.budget * 1.3);
  }

  private render(points: number): void {
    const { k, x, y } = this.camera;
    const half = (0.92 * Math.min(this.width, this.height)) / 2;
    const { uniforms } = this.material;
    uniforms.scale!.value.set((2 * k * half) / this.width, (2 * k * half) / this.height);
    uniforms.shift!.value.set(
      (2 * (x + (k * this.width) / 2)) / this.width - 1,
      1 - (2 * (y + (k * this.height) / 2)) / this.height,
    );
    const size = this.size * this.renderer.getPixelRatio();
    uniforms.size!.value = size;
    uniforms.opacity!.value = this.order.length > 200_000 ? 0.65 : 0.85;
    this.geometry.setDrawRange(0, Math.round(points));
    this.renderer.render(this.scene, this.eye);
  }
}

function pointMaterial(): ShaderMaterial {
  return new ShaderMaterial({
    glslVersion: GLSL3,
    transparent: true,
    premultipliedAlpha: true,
    depthTest: false,
    depthWrite: false,
    vertexShader: VERTEX,
    fragmentShader: FRAGMENT,
    uniforms: {
      scale: { value: new Vector2(1, 1) },
      shift: { value: new Vector2() },
      size: { value: 4 },
      opacity: { value: 0.85 },
      faint: { value: 0.16 },
    },
  });
}
