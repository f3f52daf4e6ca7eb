// What is under the hand: picture or name, label, and the value of the colour.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";

import type { SampleAnswer, ViewAnswer } from "../api/answers";
import { ask } from "../api/ask";
import type { Point } from "../map/geometry";
import { colour } from "../state/colouring";
import { titled } from "../state/session";
import { Picture } from "./Picture";
import { cell } from "./words";

const WAIT = 60; // milliseconds that the hand rests before anything is asked

export function Tip({ of, sample, at }: { of: ViewAnswer; sample: number; at: Point }) {
  const found = useSignal<SampleAnswer | null>(null);
  useEffect(() => {
    const stop = new AbortController();
    const wait = window.setTimeout(() => {
      ask<SampleAnswer>(`/api/views/${of.id}/samples/${sample}`, stop.signal).then(
        (answer) => (found.value = answer),
        () => undefined, // a click asks again, and says why not
      );
    }, WAIT);
    return () => {
      clearTimeout(wait);
      stop.abort();
    };
  }, [of.id, sample]);
  const said = found.value?.sample === sample ? found.value : null;
  const name = colour.value;
  const place = (element: HTMLElement | null) => {
    if (!element) return; // styles by script: the policy refuses them in markup
    element.style.left = `${at[0] + 14}px`;
    element.style.top = `${at[1] + 14}px`;
  };
  return (
    <div class="tip" ref={place}>
      <Picture sample={sample} small />
      <div>
        <b>{said?.label ?? `sample ${sample}`}</b>
        {said?.predicted && said.predicted !== said.label && <span> → {said.predicted}</span>}
        <div class="soft cut">{said?.name ?? said?.text ?? `number ${sample}`}</div>
        {said && name !== null && name !== "label" && name in said.values && (
          <div>
            {titled(name)?.title}: {cell(said.values[name])}
          </div>
        )}
      </div>
    </div>
  );
}
