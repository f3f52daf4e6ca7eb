// What is under the hand: picture or name, label, and the value of the colour.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";

import type { Brief, ViewAnswer } from "../api/answers";
import { ask } from "../api/ask";
import type { Column } from "../api/columns";
import type { Point } from "../map/geometry";
import { colour } from "../state/colouring";
import { titled } from "../state/session";
import { Picture } from "./Picture";
import { cell } from "./words";

const WAIT = 60; // milliseconds that the hand rests before anything is asked

const AWAY = 14; // pixels from the hand

interface Props {
  of: ViewAnswer;
  sample: number;
  at: Point;
  painted: Column | null; // what the map is coloured by
}

export function Tip({ of, sample, at, painted }: Props) {
  const found = useSignal<Brief | null>(null);
  useEffect(() => {
    const stop = new AbortController();
    const wait = window.setTimeout(() => {
      ask<Brief>(`/api/views/${of.id}/samples/${sample}/brief`, stop.signal).then(
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
  const value = painted && name !== "label" ? valueOf(painted, sample) : null;
  const place = (element: HTMLElement | null) => {
    const room = element?.parentElement;
    if (!element || !room) return; // styles by script: the policy refuses them in markup
    const left = Math.min(at[0] + AWAY, room.clientWidth - element.offsetWidth - AWAY);
    const over = at[1] + AWAY + element.offsetHeight > room.clientHeight;
    element.style.left = `${Math.max(0, left)}px`;
    element.style.top = `${over ? at[1] - AWAY - element.offsetHeight : at[1] + AWAY}px`;
  };
  return (
    <div class="tip" ref={place}>
      {said && <Picture sample={sample} small />}
      <div>
        <b>{said?.label ?? `sample ${sample}`}</b>
        {said?.predicted && said.predicted !== said.label && <span> → {said.predicted}</span>}
        <div class="soft cut">{said?.name ?? said?.text ?? `number ${sample}`}</div>
        {value !== null && (
          <div>
            {titled(name!)?.title}: {value}
          </div>
        )}
      </div>
    </div>
  );
}

function valueOf(column: Column, sample: number): string {
  if (column.kind === "number") return cell(column.values[sample]);
  return column.names[column.codes[sample]!] ?? "none";
}
