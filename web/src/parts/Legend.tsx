// What the colours mean; a click on one shows only its samples, a range of numbers as well.
import { useSignal, useSignalEffect } from "@preact/signals";

import type { ColumnAnswer } from "../api/answers";
import type { Category, Column } from "../api/columns";
import { column } from "../api/columns";
import type { Refusal } from "../api/ask";
import { refusal } from "../api/ask";
import { markOf, ranks } from "../map/colours";
import { colour, dark, lit, orderOf } from "../state/colouring";
import { conditions, setCondition } from "../state/filters";
import { titled, view } from "../state/session";
import { Histogram } from "./Histogram";
import { Problem } from "./Problem";
import { Swatch } from "./Swatch";
import { whole } from "./words";

const MOST = 200; // categories listed

export function Legend() {
  const name = colour.value;
  const told = name === null ? undefined : titled(name);
  const found = useSignal<{ name: string; column: Column } | null>(null);
  const problem = useSignal<Refusal | null>(null);
  useSignalEffect(() => {
    const [asked, on] = [colour.value, view.value];
    lit.value = undefined;
    problem.value = null;
    if (asked === null || !on) return;
    let late = false;
    column(on, asked).then(
      (c) => !late && (found.value = { name: asked, column: c }),
      (error) => !late && (problem.value = refusal(error)),
    );
    return () => (late = true);
  });
  if (problem.value) return <Problem refusal={problem.value} />;
  if (!told || found.value?.name !== name) return <p class="soft">Loading the colours …</p>;
  const values = found.value.column;
  return (
    <>
      <p class="soft explains">{told.explains}</p>
      {values.kind === "category" ? (
        <Categories told={told} values={values} />
      ) : (
        <Histogram told={told} values={values.values} coloured filters />
      )}
    </>
  );
}

function Categories({ told, values }: { told: ColumnAnswer; values: Category }) {
  const counts = new Float64Array(values.names.length + 1); // the last: none
  for (const code of values.codes) counts[code < 0 ? values.names.length : code]!++;
  const places = ranks(values, orderOf(told.name));
  const rare = (i: number) => (places[i]! < 0 ? Infinity : places[i]!);
  const listed = [...values.names.keys()].sort((a, b) => rare(a) - rare(b)).slice(0, MOST);
  const entries: [number, string | null, number][] = listed.map((i) => [
    i,
    values.names[i]!,
    places[i]!,
  ]);
  if (counts[values.names.length]) entries.push([-1, null, -1]);
  return (
    <ul class="legend" aria-label={`Legend: ${told.title}`}>
      {entries.map(([code, name, place]) => (
        <Entry
          key={code}
          told={told}
          name={name}
          place={place}
          count={counts[code < 0 ? values.names.length : code]!}
        />
      ))}
      {values.names.length > MOST && (
        <li class="soft">and {whole(values.names.length - MOST)} more: search for them</li>
      )}
    </ul>
  );
}

interface EntryProps {
  told: ColumnAnswer;
  name: string | null;
  place: number;
  count: number;
}

function Entry({ told, name, place, count }: EntryProps) {
  const condition = conditions.value[told.name];
  const chosen = condition && "names" in condition ? condition.names : [];
  const pressed = chosen.includes(name);
  const toggle = () => {
    const names = pressed ? chosen.filter((n) => n !== name) : [...chosen, name];
    setCondition(told.name, names.length ? { names } : null);
  };
  return (
    <li>
      <button
        type="button"
        aria-pressed={pressed}
        onClick={toggle}
        onPointerEnter={() => (lit.value = name)}
        onPointerLeave={() => (lit.value = undefined)}
        onFocus={() => (lit.value = name)}
        onBlur={() => (lit.value = undefined)}
      >
        <Swatch mark={markOf(place, dark.value)} />
        <bdi class="cut">{name ?? "none"}</bdi>
        <span class="count">{whole(count)}</span>
      </button>
    </li>
  );
}
