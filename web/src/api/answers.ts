// What the server answers; written by write_answers.py from kinsight.explorer.answers.

export interface ColumnAnswer {
  name: string;
  title: string;
  kind: string;
  categories: string[] | null;
  low: number | null;
  high: number | null;
  group: string;
  explains: string;
}

export interface MapAnswer {
  kind: string;
  explained: number[] | null;
}

export interface Has {
  pictures: boolean;
  texts: boolean;
  signals: boolean;
  inputs: boolean;
  map: boolean;
  explanations: boolean;
  live: boolean;
}

export interface ViewAnswer {
  id: number;
  title: string;
  path_name: string;
  kind: string;
  samples: number;
  status: string;
  output: string;
  outputs: number;
  normalization: string;
  metric: string | null;
  begun: string | null;
  sentences: string[];
  columns: ColumnAnswer[];
  classes: string[] | null;
  has: Has;
  map: MapAnswer | null;
  similarities: string[];
  neighbours: number;
}

export interface QueueAnswer {
  id: string;
  title: string;
  explains: string;
  count: number;
}

export interface Tally {
  count: number;
  keep: number;
  relabel: number;
  drop: number;
  other: number;
  writable: boolean;
  why_not: string | null;
}

export interface CompareAnswer {
  k: number;
  mean: number | null;
  explains: string;
}

export interface About {
  version: string;
  title: string;
  token: string;
  views: ViewAnswer[];
  queues: QueueAnswer[];
  decisions: Tally;
  same_samples: boolean;
  compare: CompareAnswer | null;
}

export interface Near {
  sample: number;
  similarity: number;
}

export interface Against {
  sample: number;
  similarity: number;
  label: string;
}

export interface Evidence {
  for: Near[];
  against: Against[];
  answer: string | null;
  support: number | null;
}

export interface Named {
  name: string;
  value: number | null;
}

export interface Signal {
  channels: ((number | null)[])[];
  length: number;
}

export interface Chosen {
  decision: string;
  label: string | null;
}

export interface SampleAnswer {
  sample: number;
  name: string | null;
  text: string | null;
  label: string | null;
  predicted: string | null;
  proposed: string | null;
  values: Record<string, unknown>;
  output: (number | null)[] | null;
  probabilities: Named[] | null;
  picture: boolean;
  signal: Signal | null;
  inputs: Named[] | null;
  percentiles: Record<string, number>;
  evidence: Evidence;
  decision: Chosen | null;
}

export interface Brief {
  sample: number;
  label: string | null;
  predicted: string | null;
  name: string | null;
  text: string | null;
}

export interface NeighbourAnswer {
  sample: number;
  label: string | null;
  predicted: string | null;
  name: string | null;
  text: string | null;
  similarity: number;
  agrees: boolean | null;
}

export interface Share {
  name: string;
  operator: string;
  share: number;
}

export interface HeatAnswer {
  shape: number[];
  values: (number | null)[];
}

export interface PairAnswer {
  similarity: number;
  shares: Share[];
  heat: HeatAnswer | null;
  other_heat: HeatAnswer | null;
  live: boolean;
}

export interface QueueIds {
  ids: number[];
  values: (number | null)[];
  column: string;
}

export interface DecisionAnswer {
  sample: number;
  decision: string;
  label: string | null;
  at: string;
}

export interface DecisionsAnswer {
  decisions: DecisionAnswer[];
  undo: number;
}

export interface Decide {
  decision: string;
  label: string | null;
}

export interface Written {
  sample: number;
  decision: Chosen | null;
  undo: number;
}
