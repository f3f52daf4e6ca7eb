// Header, left side, maps, sample; what was said at the bottom.
import { about, failed, note, views } from "../state/session";
import { Header } from "./Header";
import { Help } from "./Help";
import { Icon } from "./Icon";
import { MapPane } from "./MapPane";
import { Problem } from "./Problem";
import { QueueBar } from "./QueueBar";
import { SamplePane } from "./SamplePane";
import { Side } from "./Side";

export function App() {
  if (failed.value)
    return (
      <main class="alone">
        <h1>kinsight</h1>
        <Problem refusal={failed.value} />
      </main>
    );
  if (!about.value)
    return (
      <main class="alone">
        <h1>kinsight</h1>
        <p role="status">Reading the folder …</p>
      </main>
    );
  return (
    <>
      <Header />
      <main class="whole">
        <Side />
        <div class="centre">
          <div class="maps">
            {views.value.map((one) => (
              <MapPane key={one.id} of={one} />
            ))}
          </div>
          <QueueBar />
        </div>
        <SamplePane />
      </main>
      <Said />
      <Help />
    </>
  );
}

function Said() {
  const said = note.value;
  return (
    <div class={said?.error ? "said error" : "said"} role="status" aria-live="polite">
      {said && (
        <>
          <span>{said.text}</span>
          <button
            type="button"
            class="plain"
            aria-label="Close the message"
            onClick={() => (note.value = null)}
          >
            <Icon name="close" />
          </button>
        </>
      )}
    </div>
  );
}
