// The left side: colours, what is shown, queues, decisions.
import { DECIDED } from "../api/columns";
import { queueName } from "../state/chosen";
import { colour, wanted } from "../state/colouring";
import { tally, undoable } from "../state/decisions";
import {
  clearFilters,
  conditions,
  count,
  DECISION_NAMES,
  filtering,
  outline,
  setCondition,
  state,
  words,
} from "../state/filters";
import { about, columnsShown, titled, view } from "../state/session";
import { Icon } from "./Icon";
import { Legend } from "./Legend";
import { saveShown } from "./saving";
import { samples, short, whole } from "./words";

export function Side() {
  return (
    <aside class="side" aria-label="Colours, filters, queues">
      <Colours />
      <Shown />
      <Queues />
      <Decided />
    </aside>
  );
}

function Colours() {
  const groups = Map.groupBy(columnsShown.value, (c) => c.group);
  if (!columnsShown.value.length) return null;
  return (
    <section>
      <h2>
        <label for="colour">Colour by</label>
      </h2>
      <select
        id="colour"
        value={colour.value ?? ""}
        onChange={(event) => {
          wanted.value = event.currentTarget.value;
        }}
      >
        {[...groups].map(([group, listed]) => (
          <optgroup key={group} label={group}>
            {listed.map((c) => (
              <option key={c.name} value={c.name}>
                {c.title}
              </option>
            ))}
          </optgroup>
        ))}
      </select>
      <Legend />
    </section>
  );
}

function Shown() {
  const total = view.value!.samples;
  return (
    <section>
      <h2>Shown</h2>
      <p role="status" id="shown">
        {!filtering.value
          ? `all ${samples(total)}`
          : state.value === "ready"
            ? `${whole(count.value)} of ${samples(total)}`
            : state.value === "working"
              ? "Filtering …"
              : `all ${samples(total)}: the filter failed`}
      </p>
      <ul class="chips">
        {words.value.trim() && (
          <Chip said={`“${words.value.trim()}”`} drop={() => (words.value = "")} />
        )}
        {outline.value && <Chip said="inside the outline" drop={() => (outline.value = null)} />}
        {Object.entries(conditions.value).map(([name, condition]) => (
          <Chip
            key={name}
            said={`${name === DECIDED ? "decision" : (titled(name)?.title ?? name)}: ${
              "names" in condition
                ? condition.names.map((n) => n ?? "none").join(", ")
                : `${condition.low === null ? "…" : short(condition.low)} to ${condition.high === null ? "…" : short(condition.high)}`
            }`}
            drop={() => setCondition(name, null)}
          />
        ))}
      </ul>
      <div class="row">
        {filtering.value && (
          <button type="button" onClick={clearFilters}>
            Clear filters
          </button>
        )}
        <button type="button" disabled={state.value !== "ready"} onClick={() => void saveShown()}>
          <Icon name="save" /> Save these ids
        </button>
      </div>
    </section>
  );
}

function Chip({ said, drop }: { said: string; drop: () => void }) {
  return (
    <li class="chip">
      <bdi class="cut">{said}</bdi>
      <button type="button" class="plain" aria-label={`Do not filter by ${said}`} onClick={drop}>
        <Icon name="close" />
      </button>
    </li>
  );
}

function Queues() {
  const queues = about.value!.queues;
  return (
    <section>
      <h2>Queues</h2>
      {queues.length === 0 && (
        <p class="soft">None: the run holds no numbers to order samples by.</p>
      )}
      <ul class="queues">
        {queues.map((one) => (
          <li key={one.id}>
            <button
              type="button"
              aria-pressed={queueName.value === one.id}
              title={one.explains}
              onClick={() => (queueName.value = queueName.value === one.id ? null : one.id)}
            >
              {one.title} <span class="count">{whole(one.count)}</span>
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Decided() {
  const { decisions: told } = about.value!;
  const condition = conditions.value[DECIDED];
  const chosen = condition && "names" in condition ? condition.names : [];
  const toggle = (name: string | null) => {
    const names = chosen.includes(name) ? chosen.filter((n) => n !== name) : [...chosen, name];
    setCondition(DECIDED, names.length ? { names } : null);
  };
  const total = view.value!.samples;
  const made = tally.value;
  const left = total - made.keep - made.relabel - made.drop;
  return (
    <section>
      <h2>Decided</h2>
      {told.writable ? null : <p class="soft">{told.why_not}</p>}
      <ul class="legend" aria-label="Decisions; a click shows only these">
        {[...DECISION_NAMES, null].map((name) => (
          <li key={name}>
            <button type="button" aria-pressed={chosen.includes(name)} onClick={() => toggle(name)}>
              <span class={`dot ${name ?? "none"}`} aria-hidden="true" />
              {name ?? "undecided"}
              <span class="count">
                {whole(name === null ? left : made[name as keyof typeof made])}
              </span>
            </button>
          </li>
        ))}
      </ul>
      {told.other > 0 && (
        <p class="soft">{whole(told.other)} about other data are kept and not shown.</p>
      )}
      {left < total && (
        <p class="row">
          <a class="button" href="/api/decisions.csv" download>
            CSV
          </a>
          <a class="button" href="/api/decisions.parquet" download>
            Parquet
          </a>
          <span class="soft">{undoable.value > 0 && `${whole(undoable.value)} steps to undo`}</span>
        </p>
      )}
    </section>
  );
}
