// From places of the data to pixels of the screen and back, for one size and one camera.
import type { Box, Point } from "./geometry";
import type { Camera } from "./plot";

/** Part of the shorter side that the data fill when the map is opened. */
const FILLED = 0.92;

export class Frame {
  private readonly scale: number;

  constructor(
    readonly box: Box,
    readonly width: number,
    readonly height: number,
    readonly camera: Camera,
  ) {
    const unit = Math.max(box.width, box.height) / 2;
    this.scale = (FILLED * Math.min(width, height)) / 2 / unit; // pixels a unit, not zoomed
  }

  toScreen(x: number, y: number): Point {
    const { k, x: dx, y: dy } = this.camera;
    return [
      dx + k * (this.width / 2 + (x - this.box.centre[0]) * this.scale),
      dy + k * (this.height / 2 - (y - this.box.centre[1]) * this.scale),
    ];
  }

  toData(px: number, py: number): Point {
    const { k, x, y } = this.camera;
    return [
      this.box.centre[0] + ((px - x) / k - this.width / 2) / this.scale,
      this.box.centre[1] - ((py - y) / k - this.height / 2) / this.scale,
    ];
  }

  /** A distance on the screen as one of the data. */
  length(pixels: number): number {
    return pixels / (this.scale * this.camera.k);
  }
}
