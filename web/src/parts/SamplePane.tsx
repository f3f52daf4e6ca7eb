// The right side: everything about the chosen sample.
import { useRef } from "preact/hooks";

import type { SampleAnswer } from "../api/answers";
import { choose, chosen, other, sample } from "../state/chosen";
import { pictured, view } from "../state/session";
import { Decide } from "./Decide";
import { Evidence } from "./Evidence";
import { Face } from "./Face";
import { Found } from "./Found";
import { Icon } from "./Icon";
import { Neighbours } from "./Neighbours";
import { Standing } from "./Standing";
import { Problem } from "./Problem";
import { Why } from "./Why";
import { cell, whole } from "./words";

export function SamplePane() {
  const found = sample.value;
  const last = useRef<SampleAnswer | null>(null);
  if (found?.state === "there") last.current = found.value;
  if (chosen.value === null) return <Found />;
  // The one before stays until the next is there, so that nothing jumps and focus is kept.
  const one = found?.state === "refused" ? null : last.current;
  const late = one?.sample !== chosen.value;
  return (
    <aside
      class={late ? "sample late" : "sample"}
      aria-label={`Sample ${one?.sample ?? chosen.value}`}
      aria-busy={late}
    >
      <div class="row head">
        <h2>Sample {whole(one?.sample ?? chosen.value)}</h2>
        <button type="button" class="plain" aria-label="Close" onClick={() => choose(null)}>
          <Icon name="close" />
        </button>
      </div>
      {found?.state === "loading" && <p class="soft">Loading sample {whole(chosen.value)} …</p>}
      {found?.state === "refused" && <Problem refusal={found.refusal} />}
      {one && <Whole one={one} />}
    </aside>
  );
}

function Whole({ one }: { one: SampleAnswer }) {
  return (
    <>
      <div class={pictured.value === null ? "card" : "card pictured"}>
        <Face one={one} />
        <Labels one={one} />
      </div>
      <Decide one={one} />
      {other.value !== null && <Why sample={one.sample} other={other.value} />}
      <Neighbours />
      <Evidence one={one} />
      <Standing one={one} />
      <Probabilities one={one} />
      <Values one={one} />
    </>
  );
}

function Labels({ one }: { one: SampleAnswer }) {
  const rows: [string, string | null, string][] = [
    ["label", one.label, ""],
    ["prediction", one.predicted, differs(one.predicted, one.label)],
    ["proposed", one.proposed, differs(one.proposed, one.label)],
  ];
  return (
    <dl class="labels">
      {rows.map(
        ([name, value, kind]) =>
          value !== null && (
            <div key={name} class={kind}>
              <dt>{name}</dt>
              <dd>
                <bdi>{value}</bdi>
              </dd>
            </div>
          ),
      )}
    </dl>
  );
}

function differs(said: string | null, label: string | null): string {
  return label !== null && said !== label ? "differs" : "";
}

function Probabilities({ one }: { one: SampleAnswer }) {
  const listed = one.probabilities?.filter((p) => (p.value ?? 0) >= 0.005).slice(0, 6);
  if (!listed?.length) return null;
  return (
    <section>
      <h3>Probabilities of the network</h3>
      <ul class="bars">
        {listed.map((p) => (
          <li key={p.name}>
            <bdi class="cut">{p.name}</bdi>
            <meter min={0} max={1} value={p.value ?? 0} aria-label={p.name} />
            <span class="count">{Math.round(100 * (p.value ?? 0))} %</span>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Values({ one }: { one: SampleAnswer }) {
  const titles = new Map(view.value!.columns.map((c) => [c.name, c]));
  return (
    <details>
      <summary>All values</summary>
      <table class="values">
        <tbody>
          {Object.entries(one.values).map(([name, value]) => (
            <tr key={name} title={titles.get(name)?.explains}>
              <th scope="row">{titles.get(name)?.title ?? name}</th>
              <td>
                <bdi>{cell(value)}</bdi>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {one.output && (
        <p class="soft numbers">
          output: {one.output.slice(0, 40).map(cell).join(", ")}
          {one.output.length > 40 && ` … (${one.output.length} numbers)`}
        </p>
      )}
    </details>
  );
}
