// The keys, in a dialog.
const KEYS: [string, string][] = [
  ["n  p", "next and previous sample of the queue (→ ← outside the map)"],
  ["k  r  d", "keep, relabel, drop the sample, and go on"],
  ["u", "undo the last decision"],
  ["l", "draw around samples on the map (or hold shift)"],
  ["+  −  0", "zoom in, zoom out, show all, when the map has the focus; arrows move it"],
  ["/", "search"],
  ["Esc", "close: the pair, then the sample, then the queue"],
  ["?", "this list"],
];

export function openHelp(): void {
  (document.getElementById("help") as HTMLDialogElement | null)?.showModal();
}

export function Help() {
  return (
    <dialog id="help" aria-labelledby="help-title">
      <h2 id="help-title">Keys</h2>
      <dl class="keys">
        {KEYS.map(([keys, does]) => (
          <div key={keys}>
            <dt>
              <kbd>{keys}</kbd>
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
      <p class="soft">
        Decisions are on the disk of this run’s folder before they are shown. The address of this
        page says what is shown: it can be kept and sent.
      </p>
      <form method="dialog">
        <button>Close</button>
      </form>
    </dialog>
  );
}
