// Why two samples are alike: shares by layer, heat over both pictures.
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";

import type { HeatAnswer, PairAnswer, Share } from "../api/answers";
import type { Loaded } from "../state/chosen";
import { choose, follow, other } from "../state/chosen";
import { dark } from "../state/colouring";
import { pictured, view } from "../state/session";
import { Icon } from "./Icon";
import { Picture } from "./Picture";
import { similarity } from "./words";

const LAYERS = 8;

export function Why({ sample, other: second }: { sample: number; other: number }) {
  const found = useSignal<Loaded<PairAnswer> | null>(null);
  const id = view.value!.id;
  useEffect(() => {
    const stop = new AbortController();
    found.value = null;
    follow(`/api/views/${id}/pairs/${sample}/${second}`, stop, (l: Loaded<PairAnswer>) => {
      found.value = l;
    });
    return () => stop.abort();
  }, [id, sample, second]);
  const pair = found.value?.state === "there" ? found.value.value : null;
  const withPicture = pictured.value !== null;
  return (
    <section class="why" aria-label={`Why samples ${sample} and ${second} are alike`}>
      <div class="row head">
        <h3>
          {sample} and {second}
          {pair && <>: similarity {similarity(pair.similarity)}</>}
        </h3>
        <button type="button" class="plain link" onClick={() => choose(second)}>
          go to {second}
        </button>
        <button
          type="button"
          class="plain"
          aria-label="Close the pair"
          onClick={() => (other.value = null)}
        >
          <Icon name="close" />
        </button>
      </div>
      {(withPicture || pair?.heat) && (
        <div class="pair">
          <Heated sample={sample} heat={pair?.heat ?? null} pictured={withPicture} />
          <Heated sample={second} heat={pair?.other_heat ?? null} pictured={withPicture} />
        </div>
      )}
      {pair?.heat && <p class="soft">Blue places speak for the similarity, orange against it.</p>}
      {found.value?.state === "loading" && <p class="soft">Asking the network …</p>}
      {found.value?.state === "refused" && (
        <p class="soft" role="alert">
          Not explained: {found.value.refusal.todo ?? found.value.refusal.message}.
        </p>
      )}
      {pair && <Shares shares={pair.shares} />}
    </section>
  );
}

function Shares({ shares }: { shares: Share[] }) {
  const listed = shares.toSorted((a, b) => Math.abs(b.share) - Math.abs(a.share));
  const most = Math.abs(listed[0]?.share ?? 1) || 1;
  const rows = (from: number, to?: number) =>
    listed.slice(from, to).map((layer) => (
      <li key={layer.name} class={layer.share < 0 ? "against" : ""} title={layer.operator}>
        <bdi class="cut">{layer.name}</bdi>
        <meter
          min={0}
          max={most}
          value={Math.abs(layer.share)}
          aria-label={`share of ${layer.name}`}
        />
        <span class="count">{layer.share.toFixed(3)}</span>
      </li>
    ));
  return (
    <>
      <p class="soft">Shares of the similarity by layer; they sum to it.</p>
      <ul class="bars">{rows(0, LAYERS)}</ul>
      {listed.length > LAYERS && (
        <details>
          <summary>{listed.length - LAYERS} more layers</summary>
          <ul class="bars">{rows(LAYERS)}</ul>
        </details>
      )}
    </>
  );
}

interface HeatedProps {
  sample: number;
  heat: HeatAnswer | null;
  pictured: boolean;
}

/** A picture with the places that make the pair alike; without one the places alone. */
function Heated({ sample, heat, pictured: withPicture }: HeatedProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    if (heat && canvas.current) paint(canvas.current, heat, dark.value);
  }, [heat, dark.value]);
  return (
    <figure class="heated">
      <div class={withPicture ? "stack" : heat?.shape.length === 1 ? "stack line" : "stack bare"}>
        {withPicture && <Picture sample={sample} />}
        {heat && (
          <canvas ref={canvas} role="img" aria-label={`Places of sample ${sample} that count`} />
        )}
      </div>
      <figcaption class="soft">{sample}</figcaption>
    </figure>
  );
}

/** Blue speaks for the similarity, orange against it; how strongly, by how little shines through. */
function paint(canvas: HTMLCanvasElement, heat: HeatAnswer, onDark: boolean): void {
  const [rows, columns] = heat.shape.length === 2 ? heat.shape : [1, heat.shape[0]];
  canvas.width = columns!;
  canvas.height = rows!;
  const context = canvas.getContext("2d");
  if (!context) return;
  const pixels = context.createImageData(columns!, rows!);
  const most = heat.values.reduce<number>((m, v) => Math.max(m, Math.abs(v ?? 0)), 1e-12);
  const [good, bad] = onDark
    ? [
        [110, 160, 245],
        [240, 141, 92],
      ]
    : [
        [0, 90, 220],
        [213, 94, 0],
      ];
  heat.values.forEach((value, i) => {
    const colour = (value ?? 0) >= 0 ? good! : bad!;
    pixels.data.set([...colour, 225 * (Math.abs(value ?? 0) / most)], 4 * i);
  });
  context.putImageData(pixels, 0, 0);
}
