// The open queue as a strip below the map: where in it one is, what comes next.
import { useEffect, useRef } from "preact/hooks";

import { goInQueue, place, queue, queueName, step } from "../state/chosen";
import { decisions } from "../state/decisions";
import { about, pictured, titled } from "../state/session";
import { Icon } from "./Icon";
import { Picture } from "./Picture";
import { Problem } from "./Problem";
import { short, whole } from "./words";

const AROUND = 24; // samples in the strip on each side

export function QueueBar() {
  const name = queueName.value;
  const here = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    here.current?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [place.value, queue.value]);
  if (name === null) return null;
  const told = about.value!.queues.find((one) => one.id === name);
  const loaded = queue.value;
  if (loaded?.state !== "there")
    return (
      <section class="strip row head" aria-label={`Queue: ${told?.title ?? name}`}>
        <div class="grow">
          {loaded?.state === "refused" ? (
            <Problem refusal={loaded.refusal} />
          ) : (
            "Loading the queue …"
          )}
        </div>
        <CloseQueue />
      </section>
    );
  const found = loaded.value;
  const at = place.value;
  const from = Math.max(0, at - AROUND);
  const ids = found.ids.slice(from, Math.max(0, at) + AROUND + 1);
  const done = found.ids.filter((id) => decisions.value.has(id)).length;
  return (
    <section class="strip" aria-label={`Queue: ${told?.title ?? name}`}>
      <div class="row head">
        <b>{told?.title ?? name}</b>
        <span class="soft cut grow" title={told?.explains}>
          {at >= 0 ? `${whole(at + 1)} of ` : ""}
          {whole(found.ids.length)} · {whole(done)} decided · {told?.explains}
        </span>
        <button type="button" class="plain" onClick={() => step(-1)}>
          <Icon name="left" /> back <kbd>p</kbd>
        </button>
        <button type="button" class="plain" onClick={() => step(1)}>
          next <kbd>n</kbd> <Icon name="right" />
        </button>
        <CloseQueue />
      </div>
      <ol>
        {ids.map((id, i) => (
          <li key={id} class={decisions.value.get(id)?.decision ?? ""}>
            <button
              type="button"
              class="plain"
              ref={from + i === at ? here : undefined}
              aria-current={from + i === at}
              aria-label={`Sample ${id}, ${decisions.value.get(id)?.decision ?? "undecided"}`}
              onClick={() => goInQueue(from + i)}
            >
              {pictured.value === null ? <b>{id}</b> : <Picture sample={id} small />}
              <span class="value" title={titled(found.column)?.title}>
                {decisions.value.get(id)?.decision ?? short(found.values[from + i])}
              </span>
            </button>
          </li>
        ))}
      </ol>
    </section>
  );
}

function CloseQueue() {
  return (
    <button
      type="button"
      class="plain"
      aria-label="Close the queue"
      onClick={() => (queueName.value = null)}
    >
      <Icon name="close" />
    </button>
  );
}
