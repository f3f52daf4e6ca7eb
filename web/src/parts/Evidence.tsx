// What speaks for the label of a sample and what against it.
import type { SampleAnswer } from "../api/answers";
import { choose } from "../state/chosen";
import { similarity } from "./words";

export function Evidence({ one }: { one: SampleAnswer }) {
  const { against, answer, support } = one.evidence;
  const agreeing = one.evidence.for;
  if (!agreeing.length && !against.length && answer === null) return null;
  const labels = Map.groupBy(against, (a) => a.label);
  const sum = (near: { similarity: number }[]) =>
    near.reduce((total, n) => total + Math.max(0, n.similarity), 0);
  const all = sum(agreeing) + sum(against) || 1;
  const rows = [
    { said: `for ${one.label ?? "its label"}`, near: agreeing, kind: "for" },
    ...[...labels].map(([label, near]) => ({ said: `for ${label}`, near, kind: "against" })),
  ].filter((row) => row.near.length);
  return (
    <section>
      <h3>Evidence for its label</h3>
      {answer !== null && (
        <p>
          All others together propose{" "}
          <b>
            <bdi>{answer}</bdi>
          </b>
          {support !== null && <> with {similarity(support)} of their answer</>}
          {answer === one.label ? ", as it is labelled." : ", not what it is labelled."}
        </p>
      )}
      <p class="soft">Among its {agreeing.length + against.length} nearest, by similarity:</p>
      <ul class="bars">
        {rows.map(({ said, near, kind }) => (
          <li key={said} class={kind}>
            <bdi class="cut">{said}</bdi>
            <meter min={0} max={1} value={sum(near) / all} aria-label={said} />
            <span class="links">
              {near.slice(0, 4).map((n) => (
                <button
                  key={n.sample}
                  type="button"
                  class="plain link"
                  aria-label={`Go to sample ${n.sample}`}
                  onClick={() => choose(n.sample)}
                >
                  {n.sample}
                </button>
              ))}
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}
