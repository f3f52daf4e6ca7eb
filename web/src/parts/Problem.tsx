// An error where its answer would have been: what is wrong, what to do.
import type { Refusal } from "../api/ask";

export function Problem({ refusal }: { refusal: Refusal }) {
  return (
    <div class="problem" role="alert">
      <p>{refusal.message}</p>
      {refusal.todo !== null && <p>What to do: {refusal.todo}.</p>}
    </div>
  );
}
