// The picture of a sample, painted anew by the server.
import { useState } from "preact/hooks";

import { pictured } from "../state/session";

interface Props {
  sample: number;
  small?: boolean;
}

export function Picture({ sample, small }: Props) {
  const [broken, setBroken] = useState(-1);
  if (pictured.value === null) return null;
  if (broken === sample) return <span class="soft">no picture</span>;
  return (
    <img
      class={small ? "picture small" : "picture"}
      src={`/api/views/${pictured.value}/samples/${sample}/picture`}
      alt={`sample ${sample}`}
      loading="lazy"
      onError={() => setBroken(sample)}
    />
  );
}
