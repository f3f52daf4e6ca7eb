"""What the routes answer, field by field: the page relies on it."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class ColumnAnswer(BaseModel):
    """A column before its values are there."""

    name: str
    title: str
    kind: str
    categories: list[str] | None
    low: float | None
    high: float | None
    group: str
    explains: str


class MapAnswer(BaseModel):
    """What kind of map a view has."""

    kind: str
    explained: list[float] | None


class Has(BaseModel):
    """What there is to show."""

    pictures: bool
    texts: bool
    signals: bool
    inputs: bool
    map: bool
    explanations: bool
    live: bool


class ViewAnswer(BaseModel):
    """One run or store."""

    id: int
    title: str
    path_name: str
    kind: str
    samples: int
    status: str
    output: str
    outputs: int
    normalization: str
    metric: str | None
    begun: str | None
    sentences: list[str]
    columns: list[ColumnAnswer]
    classes: list[str] | None
    has: Has
    map: MapAnswer | None
    similarities: list[str]
    neighbours: int


class QueueAnswer(BaseModel):
    """A list of samples worth a look."""

    id: str
    title: str
    explains: str
    count: int


class Tally(BaseModel):
    """How much was decided; ``other``: on other data, kept and not shown."""

    count: int
    keep: int
    relabel: int
    drop: int
    other: int
    writable: bool
    why_not: str | None


class CompareAnswer(BaseModel):
    """What /api/compare would give for views 0 and 1."""

    k: int
    mean: float | None
    explains: str


class About(BaseModel):
    """Everything the page needs before it draws."""

    version: str
    title: str
    token: str
    views: list[ViewAnswer]
    queues: list[QueueAnswer]
    decisions: Tally
    same_samples: bool
    compare: CompareAnswer | None


class Near(BaseModel):
    """A sample and its similarity."""

    sample: int
    similarity: float


class Against(Near):
    """A sample that speaks for another label."""

    label: str


class Evidence(BaseModel):
    """What the nearest samples say about a label, and what all of them propose."""

    agreeing: list[Near] = Field(alias="for")
    against: list[Against]
    answer: str | None
    support: float | None


class Named(BaseModel):
    """A number with a name."""

    name: str
    value: float | None


class Signal(BaseModel):
    """A waveform: minimum and maximum of consecutive pieces, channel by channel."""

    channels: list[list[float | None]]
    length: int


class Chosen(BaseModel):
    """A decision about one sample."""

    decision: str
    label: str | None


class SampleAnswer(BaseModel):
    """One sample in full."""

    sample: int
    name: str | None
    text: str | None
    label: str | None
    predicted: str | None
    proposed: str | None
    values: dict[str, Any]
    output: list[float | None] | None
    probabilities: list[Named] | None
    picture: bool
    signal: Signal | None
    inputs: list[Named] | None
    percentiles: dict[str, float]
    evidence: Evidence
    decision: Chosen | None


class Brief(BaseModel):
    """What a person recognises a sample by."""

    sample: int
    label: str | None
    predicted: str | None
    name: str | None
    text: str | None


class NeighbourAnswer(Brief):
    """A sample near another one."""

    similarity: float
    agrees: bool | None


class Share(BaseModel):
    """A layer's part of a similarity."""

    name: str
    operator: str
    share: float


class HeatAnswer(BaseModel):
    """Shares by place of an input."""

    shape: list[int]
    values: list[float | None]


class PairAnswer(BaseModel):
    """Why two samples are alike."""

    similarity: float
    shares: list[Share]
    heat: HeatAnswer | None
    other_heat: HeatAnswer | None
    live: bool


class QueueIds(BaseModel):
    """Samples of a queue, best first, with the value they are ordered by."""

    ids: list[int]
    values: list[float | None]
    column: str


class DecisionAnswer(BaseModel):
    """A decision as it is kept."""

    sample: int
    decision: str
    label: str | None
    at: str


class DecisionsAnswer(BaseModel):
    """All that was decided, and how many steps can be undone."""

    decisions: list[DecisionAnswer]
    undo: int


class Decide(BaseModel):
    """The body of a decision."""

    model_config = ConfigDict(extra="forbid", strict=True)

    decision: str = Field(pattern="^(keep|relabel|drop)$")
    label: str | None = Field(default=None, min_length=1, max_length=1000)


class Written(BaseModel):
    """After a decision: what the sample is now, and how many steps can be undone."""

    sample: int
    decision: Chosen | None
    undo: int
