"""The application: routes behind the guard, the page, errors as people can read them."""

from fastapi import FastAPI, Request, Response

from kinsight.explorer import refusals
from kinsight.explorer.deciding import decision_routes
from kinsight.explorer.guard import Access, Guard
from kinsight.explorer.page_files import PageFile, page_files
from kinsight.explorer.routes import view_routes
from kinsight.explorer.session import Session


def application(
    session: Session, access: Access, page: dict[str, PageFile] | None = None
) -> Guard:  # fmt: skip
    """What uvicorn serves. ``page``: its files by path; by default those that are installed."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    refusals.install(app)
    app.include_router(view_routes(session))
    app.include_router(decision_routes(session))
    _page_routes(app, page_files() if page is None else page)
    return Guard(app, access)


def _page_routes(app: FastAPI, listed: dict[str, PageFile]) -> None:
    @app.get("/{path:path}")
    def file(request: Request) -> Response:
        # Looked up whole among what was listed at the start: nothing is joined to a path.
        found = listed.get(request.url.path)
        if found is None:
            raise refusals.refusal(
                404, "the page at /, or a route below /api", request.url.path, "open /"
            )
        return Response(found.content, found.status, media_type=found.media_type)
