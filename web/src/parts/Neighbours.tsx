// The nearest samples as the network sees them, beside what others would call near.
import { useComputed } from "@preact/signals";

import type { NeighbourAnswer } from "../api/answers";
import type { Beside } from "../state/chosen";
import { compareWith, keyOf, lists, neighbours, NETWORK, other } from "../state/chosen";
import { pictured } from "../state/session";
import { Picture } from "./Picture";
import { Problem } from "./Problem";
import { similarity } from "./words";

export function Neighbours() {
  const common = useComputed(() => {
    const first = lists.value[0];
    const found = first && neighbours.value.get(keyOf(first));
    return new Set(found?.state === "there" ? found.value.map((n) => n.sample) : []);
  });
  return (
    <section>
      <h3>Most alike</h3>
      <p class="soft">
        A click asks why they are alike. Orange: another label. Dotted: not in the first list.
      </p>
      {lists.value.map((beside, at) => (
        <List key={keyOf(beside)} beside={beside} common={at === 0 ? null : common.value} />
      ))}
    </section>
  );
}

interface ListProps {
  beside: Beside;
  common: Set<number> | null;
}

function List({ beside, common }: ListProps) {
  const found = neighbours.value.get(keyOf(beside));
  const shared =
    common && found?.state === "there"
      ? found.value.filter((n) => common.has(n.sample)).length
      : null;
  return (
    <div class="list">
      <h4>
        <bdi>{beside.title}</bdi>
        {shared !== null && found?.state === "there" && (
          <span class="soft">
            {" "}
            · {shared} of {found.value.length} in common
          </span>
        )}
      </h4>
      {found?.state === "refused" && <Problem refusal={found.refusal} />}
      {(!found || found.state === "loading") && <p class="soft">Loading …</p>}
      {found?.state === "there" && found.value.length === 0 && (
        <p class="soft">None: its gradient is zero or not finite.</p>
      )}
      {found?.state === "there" && (
        <ol class="near">
          {found.value.map((n) => (
            <Near key={n.sample} near={n} beside={beside} common={common} />
          ))}
        </ol>
      )}
    </div>
  );
}

interface NearProps extends ListProps {
  near: NeighbourAnswer;
}

function Near({ near, beside, common }: NearProps) {
  const kinds = [
    near.agrees === false && "other",
    common && !common.has(near.sample) && "missing",
    other.value === near.sample && beside.by === NETWORK && "asked",
  ];
  const said = `sample ${near.sample}, similarity ${similarity(near.similarity)}${
    near.label === null ? "" : `, label ${near.label}`
  }`;
  return (
    <li class={kinds.filter(Boolean).join(" ")}>
      <button
        type="button"
        class="plain"
        aria-label={`Why is ${said} alike?`}
        title={near.name ?? near.text ?? said}
        onClick={() => compareWith(near.sample, beside.view)}
      >
        <Picture sample={near.sample} small />
        <span class="value">{similarity(near.similarity)}</span>
        <bdi class="cut label">{near.label ?? near.name ?? near.text ?? `#${near.sample}`}</bdi>
        {pictured.value === null && (
          <span class="cut soft">{near.text ?? near.name ?? `#${near.sample}`}</span>
        )}
      </button>
    </li>
  );
}
