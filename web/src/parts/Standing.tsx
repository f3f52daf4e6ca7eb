// Where a sample lies among all: its place in the histograms.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";

import type { ColumnAnswer, SampleAnswer } from "../api/answers";
import type { Numbers } from "../api/columns";
import { column } from "../api/columns";
import { complain, view } from "../state/session";
import { Histogram } from "./Histogram";
import { short } from "./words";

const MAIN = ["density", "uncertainty", "suspect_score", "fit_count", "fit_spread", "norm"];

export function Standing({ one }: { one: SampleAnswer }) {
  const listed = MAIN.map((name) => view.value!.columns.find((c) => c.name === name)).filter(
    (c): c is ColumnAnswer => c?.kind === "number" && one.percentiles[c.name] !== undefined,
  );
  if (!listed.length) return null;
  return (
    <section>
      <h3>Among all samples</h3>
      <div class="standing">
        {listed.map((told) => (
          <Place key={told.name} told={told} one={one} />
        ))}
      </div>
    </section>
  );
}

function Place({ told, one }: { told: ColumnAnswer; one: SampleAnswer }) {
  const values = useSignal<Float32Array | null>(null);
  const id = view.value!.id;
  useEffect(() => {
    let late = false;
    column(view.value!, told.name).then(
      (found) => !late && (values.value = (found as Numbers).values),
      (error) => !late && complain(error),
    );
    return () => {
      late = true;
    };
  }, [id, told.name]);
  const value = one.values[told.name];
  const share = one.percentiles[told.name]!;
  return (
    <figure title={told.explains}>
      <figcaption>
        {told.title} <b>{short(typeof value === "number" ? value : null)}</b>
        <span class="soft"> more than {Math.round(100 * share)} %</span>
      </figcaption>
      {values.value && (
        <Histogram
          told={told}
          values={values.value}
          at={typeof value === "number" ? value : null}
        />
      )}
    </figure>
  );
}
