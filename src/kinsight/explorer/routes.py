"""What can be asked of views: columns, map, samples, neighbours, pairs, queues, search."""

from typing import Annotated, Any

import numpy as np
import pyarrow as pa
from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import StreamingResponse

from kinsight.explorer import answers
from kinsight.explorer.explained import pair_answer
from kinsight.explorer.one_sample import (
    brief_answer,
    name_column,
    neighbour_answers,
    sample_answer,
)
from kinsight.explorer.pictures import repainted
from kinsight.explorer.refusals import refusal
from kinsight.explorer.searching import LONGEST, search
from kinsight.explorer.session import Session
from kinsight.explorer.streams import streamed
from kinsight.explorer.view import NETWORK, View

Number = Annotated[int, Path(ge=0)]
_BATCH = 1 << 16


def view_routes(session: Session) -> APIRouter:
    """The routes below /api that read."""
    api = APIRouter(prefix="/api")

    @api.get("/about")
    def about() -> answers.About:
        return session.about()

    @api.get("/compare")
    def compare(a: int = 0, b: int = 1) -> StreamingResponse:
        both = session.shared()
        if {a, b} != {0, 1} or both is None:
            do = "start with two folders; a store needs `kinsight survey` first"
            raise refusal(404, "two views with neighbours, a=0 and b=1", f"a={a}, b={b}", do)
        return _numbers({"shared": both[1]})

    _column_routes(api, session)
    _sample_routes(api, session)
    _pair_route(api, session)
    _list_routes(api, session)
    return api


def _column_routes(api: APIRouter, session: Session) -> None:
    @api.get("/views/{v}/columns")
    def columns(v: Number, names: Annotated[list[str], Query()]) -> StreamingResponse:
        found = session.view(v).columns
        asked = [name for name in names if name]
        known = [c for c in found.names() if found.kind(c) != "text"]
        strange = next((name for name in asked if name not in known), None)
        if strange is not None or not asked:
            raise refusal(404, f"some of {', '.join(known)}", strange or "no name", "ask for those")
        return streamed(found.batches(list(dict.fromkeys(asked))))

    @api.get("/views/{v}/names")
    def names(v: Number) -> StreamingResponse:
        found = session.view(v).columns
        column = name_column(found)
        if column is None:
            return streamed([pa.record_batch([pa.array([], pa.string())], ["name"])])
        return streamed(pa.table({"name": found.texts(column)}).to_batches(_BATCH))

    @api.get("/views/{v}/map")
    def map_(v: Number) -> StreamingResponse:
        view = session.view(v)
        found = view.map()
        if found is None:
            do = "run `kinsight analyze` again, which adds a map"
            raise refusal(404, "a map", f"none in {view.facts.path_name}", do)
        return _numbers({"x": found.points[:, 0], "y": found.points[:, 1]})


def _sample_routes(api: APIRouter, session: Session) -> None:
    @api.get("/views/{v}/samples/{i}")
    def sample(v: Number, i: Number) -> answers.SampleAnswer:
        view, live = _with(session, v, i), session.live_of(v)
        return sample_answer(view, i, live is not None and live.paints, session.chosen(i))

    @api.get("/views/{v}/samples/{i}/brief")
    def brief(v: Number, i: Number) -> answers.Brief:
        return brief_answer(_with(session, v, i), i)

    @api.get("/views/{v}/samples/{i}/neighbours")
    def neighbours(
        v: Number, i: Number, by: str = NETWORK, k: Annotated[int, Query(ge=1, le=200)] = 12
    ) -> list[answers.NeighbourAnswer]:
        view = _with(session, v, i)
        if by not in view.similarities:
            do = "an older run knows fewer; `kinsight analyze` again adds them"
            raise refusal(404, f"by one of {', '.join(view.similarities)}", by, do)
        return neighbour_answers(view, i, by, min(k, view.most))

    @api.get("/views/{v}/samples/{i}/picture")
    def picture(v: Number, i: Number) -> Response:
        view, live = _with(session, v, i), session.live_of(v)
        found = view.picture(i)
        if found is None and live is not None:
            found = live.picture(i)
        if found is None:
            do = "start with --target MODULE:CALLABLE, whose data are painted"
            raise refusal(404, "a picture", f"none of sample {i}", do)
        return Response(repainted(found, f"picture of sample {i}"), media_type="image/png")


def _pair_route(api: APIRouter, session: Session) -> None:
    @api.get("/views/{v}/pairs/{i}/{j}")
    def pair(v: Number, i: Number, j: Number) -> answers.PairAnswer:
        view = _with(session, v, i)
        _with(session, v, j)
        found, live = view.explanation(i, j), session.live_of(v)
        if found is not None:
            return pair_answer(found)
        if live is None:
            do = "start with --target MODULE:CALLABLE, and any pair is explained"
            raise refusal(404, "a pair that was explained", f"{i} and {j}", do)
        return live.explain(i, j)


def _list_routes(api: APIRouter, session: Session) -> None:
    @api.get("/queues/{name}")
    def queue(name: str, view: int = 0) -> answers.QueueIds:
        session.view(view)
        known = session.queues(view)
        if name not in known:
            raise refusal(404, f"one of {', '.join(known) or 'no queue'}", name, "reload the page")
        found = known[name]
        values = [float(v) if np.isfinite(v) else None for v in found.values]
        return answers.QueueIds(ids=found.ids.tolist(), values=values, column=found.column)

    @api.get("/search")
    def search_(q: Annotated[str, Query(max_length=LONGEST)], view: int = 0) -> StreamingResponse:
        return _numbers({"found": search(session.view(view).columns, q)})


def _with(session: Session, v: int, i: int) -> View:
    """The view, if it has that sample."""
    view = session.view(v)
    if i >= len(view):
        raise refusal(404, f"a sample from 0 to {len(view) - 1:,}", i, "choose one of those")
    return view


def _numbers(arrays: dict[str, Any]) -> StreamingResponse:
    count = len(next(iter(arrays.values())))
    columns = {name: pa.array(np.ascontiguousarray(v)) for name, v in arrays.items()}
    return streamed(
        pa.record_batch([c.slice(start, _BATCH) for c in columns.values()], list(columns))
        for start in range(0, max(count, 1), _BATCH)
    )
