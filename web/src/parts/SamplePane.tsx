// The right side: everything about the chosen sample.
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
  if (chosen.value === null) return <Found />;
  const found = sample.value;
  return (
    <aside class="sample" aria-label={`Sample ${chosen.value}`}>
      <div class="row head">
        <h2>Sample {whole(chosen.value)}</h2>
        <button type="button" class="plain" aria-label="Close" onClick={() => choose(null)}>
          <Icon name="close" />
        </button>
      </div>
      {found?.state === "loading" && <p class="soft">Loading …</p>}
      {found?.state === "refused" && <Problem refusal={found.refusal} />}
      {found?.state === "there" && found.value.sample === chosen.value && (
        <Whole one={found.value} />
      )}
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
    ["prediction", one.predicted, one.predicted === one.label ? "" : "differs"],
    ["proposed", one.proposed, one.proposed === one.label ? "" : "differs"],
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
