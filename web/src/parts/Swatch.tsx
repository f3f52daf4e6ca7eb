// The mark of a category, with the shape and colour it has on the map.
import type { Mark } from "../map/colours";

const SHAPES = [
  "M8 2a6 6 0 1 1 0 12A6 6 0 0 1 8 2Z",
  "M8 2l6.5 11.5h-13Z",
  "M3 3h10v10H3Z",
  "M8 1l7 7-7 7-7-7Z",
];

export function Swatch({ mark }: { mark: Mark }) {
  return (
    <svg class="swatch" viewBox="0 0 16 16" aria-hidden="true">
      <path d={SHAPES[mark.shape]} fill={mark.colour} />
    </svg>
  );
}
