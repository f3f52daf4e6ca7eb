// A map of all samples of one view.
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";

import type { NeighbourAnswer, ViewAnswer } from "../api/answers";
import { Refusal, refusal } from "../api/ask";
import type { Column, Places } from "../api/columns";
import { column, placesOf, SHARED } from "../api/columns";
import { tintOf } from "../map/colours";
import type { Point } from "../map/geometry";
import { MapScene } from "../map/scene";
import { choose, chosen, linked, other } from "../state/chosen";
import { colour, dark, drawing, has, lit, orderOf } from "../state/colouring";
import { mask, outline } from "../state/filters";
import { complain, titled, views } from "../state/session";
import { Icon } from "./Icon";
import { Problem } from "./Problem";
import { Tip } from "./Tip";
import { samples, whole } from "./words";

const KINDS: Record<string, string> = {
  principal: "principal components of the tangent features",
  umap: "UMAP of the neighbours: distances between groups mean nothing",
  outputs: "by the network’s outputs",
};
const STEP = 60; // pixels a key moves the map

export function MapPane({ of }: { of: ViewAnswer }) {
  const places = useSignal<Places | null>(null);
  const problem = useSignal<Refusal | null>(null);
  const scene = useSignal<MapScene | null>(null);
  const drawn = useSignal(0);
  const tip = useSignal<{ sample: number; at: Point } | null>(null);
  const points = useRef<HTMLCanvasElement>(null);
  const over = useRef<HTMLCanvasElement>(null);

  useEffect(() => {
    if (!of.has.map) return;
    placesOf(of).then(
      (found) => (places.value = found),
      (error) => (problem.value = refusal(error)),
    );
  }, [of.id]);
  useEffect(() => {
    if (!places.value || !points.current || !over.current) return;
    try {
      scene.value = new MapScene(points.current, over.current, places.value, {
        drawing: () => drawing.peek(),
        hovered: (sample, at) => (tip.value = sample === null ? null : { sample, at }),
        chosen: choose,
        encircled: (shape) => {
          outline.value = { view: of.id, points: shape };
          drawing.value = false;
        },
        drawn: (count) => (drawn.value = count),
      });
    } catch {
      problem.value = noWebGl;
    }
    return () => scene.value?.dispose();
  }, [places.value]);
  const painted = useTints(of, scene.value);
  const near = linked(of.id);
  useMarks(of, scene.value, near);

  if (!of.has.map) return <NoMap of={of} />;
  const total = places.value?.x.length ?? 0;
  return (
    <section class="map" aria-label={`Map of ${of.path_name}`}>
      {problem.value && <Problem refusal={problem.value} />}
      <canvas ref={points} class="points" aria-hidden="true" />
      <canvas
        ref={over}
        class={drawing.value ? "over drawing" : "over"}
        tabIndex={0}
        role="application"
        aria-label={`Map of ${samples(of.samples)}: arrows move it, + and − zoom, 0 shows all, n and p step through samples`}
        onKeyDown={(event) => scene.value && onKey(event, scene.value)}
      />
      {tip.value && (
        <Tip of={of} sample={tip.value.sample} at={tip.value.at} painted={painted.column} />
      )}
      {scene.value && <Tools scene={scene.value} />}
      <p class="caption">
        {views.value.length > 1 && <b>{of.path_name}: </b>}
        {places.value
          ? KINDS[of.map?.kind ?? ""]
          : !problem.value && `Loading the map of ${samples(of.samples)} …`}
        {of.map?.explained &&
          ` (${of.map.explained.map((e) => `${Math.round(100 * e)} %`).join(" and ")} of the variance)`}
        {scene.value !== null &&
          scene.value.missing > 0 &&
          ` · ${whole(scene.value.missing)} have no place`}
        {drawn.value > 0 && drawn.value < total && ` · ${whole(drawn.value)} while it moves`}
        {painted.lacks && " · this one lacks the column of the colours"}
        {near.length > 0 && " · lines lead to its nearest, orange ones to another label"}
      </p>
    </section>
  );
}

const noWebGl = new Refusal(
  -1,
  "This browser has no WebGL 2, which draws the map.",
  "switch hardware acceleration on; queues, search and everything else work without",
);

/** Paints the points by the chosen column; the column, or why there is none. */
function useTints(
  of: ViewAnswer,
  scene: MapScene | null,
): { column: Column | null; lacks: boolean } {
  const values = useSignal<{ name: string; column: Column } | null>(null);
  const name = colour.value;
  const lacks = name !== null && name !== SHARED && !has(of, name);
  useEffect(() => {
    if (name === null || lacks) return;
    let late = false;
    column(of, name).then(
      (found) => !late && (values.value = { name, column: found }),
      (error) => !late && complain(error),
    );
    return () => {
      late = true;
    };
  }, [of.id, name, lacks]);
  const ready = values.value?.name === name ? values.value.column : null;
  const told = name === null ? undefined : titled(name);
  const order = name === null ? [] : orderOf(name);
  const [kept, pointed, onDark] = [mask.value, lit.value, dark.value];
  useEffect(() => {
    if (!scene || (!ready && !lacks && name !== null)) return;
    const painted = { column: ready, told, order, mask: kept, lit: pointed, dark: onDark };
    const frame = requestAnimationFrame(() => scene.paint(tintOf(painted), kept, onDark));
    return () => cancelAnimationFrame(frame);
  }, [scene, ready, lacks, told?.low, told?.high, kept, pointed, onDark]);
  return { column: ready, lacks };
}

function useMarks(of: ViewAnswer, scene: MapScene | null, near: NeighbourAnswer[]): void {
  const drawnHere = outline.value?.view === of.id ? outline.value.points : null;
  useEffect(() => {
    scene?.mark({
      chosen: chosen.value,
      other: other.value,
      near,
      outline: drawnHere,
      dark: dark.value,
    });
  }, [scene, chosen.value, other.value, near, drawnHere, dark.value]);
  useEffect(() => {
    if (chosen.value !== null) scene?.reveal(chosen.value);
  }, [scene, chosen.value]);
}

function onKey(event: KeyboardEvent, scene: MapScene): void {
  const moves: Record<string, [number, number]> = {
    ArrowLeft: [STEP, 0],
    ArrowRight: [-STEP, 0],
    ArrowUp: [0, STEP],
    ArrowDown: [0, -STEP],
  };
  const move = moves[event.key];
  if (move) scene.pan(...move);
  else if (event.key === "+" || event.key === "=") scene.zoomBy(1.5);
  else if (event.key === "-") scene.zoomBy(1 / 1.5);
  else if (event.key === "0") scene.fit();
  else return;
  event.preventDefault();
}

function Tools({ scene }: { scene: MapScene }) {
  return (
    <div class="tools" role="toolbar" aria-label="Map">
      <button
        type="button"
        aria-pressed={drawing.value}
        title="Draw around samples (L, or hold shift)"
        aria-label="Draw around samples"
        onClick={() => (drawing.value = !drawing.value)}
      >
        <Icon name="lasso" />
      </button>
      <button type="button" aria-label="Zoom in" title="Zoom in" onClick={() => scene.zoomBy(1.5)}>
        <Icon name="plus" />
      </button>
      <button
        type="button"
        aria-label="Zoom out"
        title="Zoom out"
        onClick={() => scene.zoomBy(1 / 1.5)}
      >
        <Icon name="minus" />
      </button>
      <button type="button" aria-label="Show all" title="Show all (0)" onClick={() => scene.fit()}>
        <Icon name="fit" />
      </button>
    </div>
  );
}

function NoMap({ of }: { of: ViewAnswer }) {
  return (
    <section class="map empty" aria-label="Map">
      <p>
        <bdi>{of.path_name}</bdi> has no map.
      </p>
      <p class="soft">
        Run <code>kinsight analyze</code> again, which adds one. The queues and the search work
        without it.
      </p>
    </section>
  );
}
