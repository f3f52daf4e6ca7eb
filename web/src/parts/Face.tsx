// What a sample is: its picture, text, waveform or row, always as data and never as markup.
import type { SampleAnswer, Signal } from "../api/answers";
import { Picture } from "./Picture";
import { short, whole } from "./words";

const ROWS = 24; // of a table, before the rest is folded

export function Face({ one }: { one: SampleAnswer }) {
  return (
    <section class="face">
      <Picture sample={one.sample} />
      {one.name !== null && (
        <p class="name">
          <bdi>{one.name}</bdi>
        </p>
      )}
      {one.text !== null && <blockquote>{one.text}</blockquote>}
      {one.signal && <Wave signal={one.signal} />}
      {one.inputs && <Row inputs={one.inputs} />}
    </section>
  );
}

function Row({ inputs }: { inputs: NonNullable<SampleAnswer["inputs"]> }) {
  const rows = (from: number, to?: number) => (
    <table class="values">
      <tbody>
        {inputs.slice(from, to).map((entry) => (
          <tr key={entry.name}>
            <th scope="row">
              <bdi>{entry.name}</bdi>
            </th>
            <td>{short(entry.value)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
  return (
    <>
      {rows(0, ROWS)}
      {inputs.length > ROWS && (
        <details>
          <summary>{whole(inputs.length - ROWS)} more</summary>
          {rows(ROWS)}
        </details>
      )}
    </>
  );
}

const WIDE = 320;
const HIGH = 48;

/** Minimum and maximum of consecutive pieces, channel below channel. */
export function Wave({ signal }: { signal: Signal }) {
  const values = signal.channels.flat().filter((v): v is number => v !== null);
  const most = values.reduce((m, v) => Math.max(m, Math.abs(v)), 1e-12);
  return (
    <figure class="wave">
      {signal.channels.map((channel, c) => (
        <svg key={c} viewBox={`0 0 ${WIDE} ${HIGH}`} preserveAspectRatio="none" role="img">
          <title>channel {c}</title>
          <path d={path(channel, most)} />
        </svg>
      ))}
      <figcaption class="soft">
        {whole(signal.length)} values, largest {short(most)}
      </figcaption>
    </figure>
  );
}

function path(channel: (number | null)[], most: number): string {
  const step = WIDE / Math.max(1, channel.length - 1);
  let pen = "M";
  let said = "";
  channel.forEach((value, i) => {
    if (value === null) {
      pen = "M";
      return;
    }
    said += `${pen}${(i * step).toFixed(1)} ${((1 - value / most) * (HIGH / 2)).toFixed(1)}`;
    pen = "L";
  });
  return said;
}
