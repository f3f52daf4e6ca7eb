// Keep, relabel or drop: one key each, on the server's disk at once.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";

import type { SampleAnswer } from "../api/answers";
import { Refusal } from "../api/ask";
import { atPlace, choose, chosen, step } from "../state/chosen";
import type { Kind } from "../state/decisions";
import { decide, decisions, undo, undoable, withdraw, writing } from "../state/decisions";
import { about, complain, tell, view, views } from "../state/session";
import { Icon } from "./Icon";

export function Decide({ one }: { one: SampleAnswer }) {
  const told = about.value!.decisions;
  const now = decisions.value.get(one.sample);
  const label = useSignal("");
  useEffect(() => {
    label.value = now?.label ?? one.proposed ?? "";
  }, [one.sample, one.proposed, now?.label]);
  if (!told.writable) return null;
  const names = view.value!.columns.find((c) => c.name === "label")?.categories ?? [];
  const button = (kind: Kind, key: string) => (
    <button
      type="button"
      class={`decide ${kind}`}
      aria-pressed={now?.decision === kind}
      disabled={writing.value}
      onClick={() => void decideAndGo(one, kind, label.value)}
    >
      {kind} <kbd>{key}</kbd>
    </button>
  );
  return (
    <section class="decisions" aria-label="Decision">
      <div class="row">
        {button("keep", "k")}
        {button("relabel", "r")}
        {button("drop", "d")}
        <button
          type="button"
          class="plain"
          disabled={undoable.value === 0 || writing.value}
          onClick={() => void undoAndGo()}
        >
          <Icon name="undo" /> undo <kbd>u</kbd>
        </button>
      </div>
      <label class="row">
        <span class="soft">new label</span>
        <input
          id="new-label"
          list="labels"
          maxLength={1000}
          value={label.value}
          onInput={(event) => (label.value = event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key === "Enter") void decideAndGo(one, "relabel", label.value);
          }}
        />
        <datalist id="labels">
          {names.map((name) => (
            <option key={name} value={name} />
          ))}
        </datalist>
      </label>
      {views.value.length > 1 && (
        <p class="soft">
          Kept in the folder of <bdi>{views.value[0]!.path_name}</bdi>.
        </p>
      )}
      {now && (
        <p role="status" class={`decided ${now.decision}`}>
          {now.decision}
          {now.label !== null && (
            <>
              {" "}
              to <bdi>{now.label}</bdi>
            </>
          )}{" "}
          <button type="button" class="plain link" onClick={() => void withdraw(one.sample)}>
            withdraw
          </button>
        </p>
      )}
    </section>
  );
}

/** Decides, and goes on to the next sample of the open queue. */
export async function decideAndGo(one: SampleAnswer, kind: Kind, label: string): Promise<void> {
  if (writing.value) return;
  if (!about.value?.decisions.writable) {
    complain(
      new Refusal(-1, about.value?.decisions.why_not ?? "Decisions are not kept here.", null),
    );
    return;
  }
  const named = label.trim();
  if (kind === "relabel" && !named) {
    document.getElementById("new-label")?.focus();
    tell("Write the new label and press Enter.");
    return;
  }
  const done = await decide(one.sample, kind, kind === "relabel" ? named : null);
  if (done && chosen.peek() === one.sample && atPlace(one.sample)) step(1);
}

export async function undoAndGo(): Promise<void> {
  const back = await undo();
  if (back !== null) choose(back);
}
