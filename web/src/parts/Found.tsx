// What was found in all samples, in sentences: shown while none is chosen.
import { about, view, views } from "../state/session";
import { samples } from "./words";

export function Found() {
  const found = view.value!;
  const first = about.value!.queues[0];
  const facts = [
    samples(found.samples),
    found.output && `output ${found.output}`,
    found.metric && `metric ${found.metric}`,
    found.status !== "finished" && found.status,
  ].filter(Boolean);
  return (
    <aside class="sample" aria-label="What was found">
      <section>
        <h2>What was found</h2>
        <p class="soft">{facts.join(" · ")}</p>
        {views.value.length > 1 && !about.value!.same_samples && (
          <p class="problem">
            Both have the same names or labels, but not the same bytes of data: samples are taken to
            correspond one by one.
          </p>
        )}
        <ul class="sentences">
          {found.sentences.map((said) => (
            <li key={said}>{said}</li>
          ))}
        </ul>
      </section>
      <section>
        <h2>Where to begin</h2>
        <p>
          Click a point to see the sample, what the network takes for the same, and why
          {first && <>; or open the queue “{first.title}” and decide with one key</>}. <kbd>n</kbd>{" "}
          goes to the next sample, <kbd>?</kbd> lists all keys.
        </p>
      </section>
    </aside>
  );
}
