"""Decisions over the network: read, made, withdrawn, undone, taken away as a file."""

from typing import Annotated

from fastapi import APIRouter, Path, Response

from kinsight.explorer import answers
from kinsight.explorer.decisions import Decision
from kinsight.explorer.exported import as_csv, as_parquet, table
from kinsight.explorer.refusals import refusal
from kinsight.explorer.session import Session

Number = Annotated[int, Path(ge=0, lt=1 << 62)]
_TYPES = {"csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet"}


def decision_routes(session: Session) -> APIRouter:
    """The routes below /api/decisions; writes have passed the guard."""
    api = APIRouter(prefix="/api")

    @api.get("/decisions")
    def decisions() -> answers.DecisionsAnswer:
        if session.decisions is None:
            return answers.DecisionsAnswer(decisions=[], undo=0)
        made = [answers.DecisionAnswer(**vars(d)) for d in session.decisions.all()]
        return answers.DecisionsAnswer(decisions=made, undo=session.decisions.undoable())

    @api.put("/decisions/{i}")
    def decide(i: Number, body: answers.Decide) -> answers.Written:
        undo = session.kept_decisions().decide(i, body.decision, body.label)
        now = answers.Chosen(decision=body.decision, label=body.label)
        return answers.Written(sample=i, decision=now, undo=undo)

    @api.delete("/decisions/{i}")
    def withdraw(i: Number) -> answers.Written:
        return answers.Written(
            sample=i, decision=None, undo=session.kept_decisions().withdraw(i)
        )  # fmt: skip

    @api.post("/decisions/undo")
    def undo() -> answers.Written:
        found = session.kept_decisions().undo()
        if found is None:
            raise refusal(
                409, "a decision to undo", "none", "nothing was decided, or all is undone"
            )
        sample, now, left = found
        return answers.Written(sample=sample, decision=chosen(now), undo=left)

    _file_route(api, session)
    return api


def _file_route(api: APIRouter, session: Session) -> None:
    @api.get("/decisions.{kind}")
    def taken(kind: str) -> Response:
        if kind not in _TYPES:
            raise refusal(404, "decisions.csv or decisions.parquet", kind, "ask for one of them")
        made = [] if session.decisions is None else session.decisions.all()
        rows = table(made, session.views[0].columns)
        content = as_csv(rows) if kind == "csv" else as_parquet(rows)
        name = {"Content-Disposition": f'attachment; filename="decisions.{kind}"'}
        return Response(content, media_type=_TYPES[kind], headers=name)


def chosen(decision: Decision | None) -> answers.Chosen | None:
    """A decision as a sample shows it."""
    if decision is None:
        return None
    return answers.Chosen(decision=decision.decision, label=decision.label)
