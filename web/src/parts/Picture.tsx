// The picture of a sample, painted anew by the server.
import { useState } from "preact/hooks";

interface Props {
  view: number;
  sample: number;
  small?: boolean;
}

export function Picture({ view, sample, small }: Props) {
  const [broken, setBroken] = useState(-1);
  if (broken === sample) return <span class="soft">no picture</span>;
  return (
    <img
      class={small ? "picture small" : "picture"}
      src={`/api/views/${view}/samples/${sample}/picture`}
      alt={`sample ${sample}`}
      loading="lazy"
      onError={() => setBroken(sample)}
    />
  );
}
