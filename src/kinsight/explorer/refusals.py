"""What a request is answered when it cannot be: what was expected, what came, what to do."""

from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException as AnyHTTPException

from kinsight.errors import ArgumentError, KinsightError

_LONGEST = 200  # letters of what came that are said back


def refusal(status: int, expected: str, got: Any, do: str) -> HTTPException:
    """An error with a status of HTTP, to be raised."""
    detail = {"expected": expected, "got": f"{got}"[:_LONGEST], "do": do}
    return HTTPException(status, detail)


def install(app: FastAPI) -> None:
    """Let every error of the application be answered as {"error": …}; none shows a traceback."""
    app.add_exception_handler(AnyHTTPException, _said)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(KinsightError, _ours)
    app.add_exception_handler(Exception, _unforeseen)


def answer(status: int, error: dict[str, str]) -> JSONResponse:
    """The answer itself."""
    return JSONResponse({"error": error}, status)


async def _said(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, AnyHTTPException):
        raise error
    detail: Any = error.detail
    return answer(
        error.status_code, detail if isinstance(detail, dict) else {"message": str(detail)}
    )


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):
        raise error
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    return answer(
        422,
        {
            "expected": f"{place}: {first['msg']}",
            "got": repr(first.get("input"))[:_LONGEST],
            "do": "reload the page; it may be of another version than the server",
        },
    )


async def _ours(_: Request, error: Exception) -> JSONResponse:
    return answer(400 if isinstance(error, ArgumentError) else 409, {"message": str(error)})


async def _unforeseen(_: Request, error: Exception) -> JSONResponse:
    said = f"the server failed with {type(error).__name__}; what it printed says where"
    return answer(500, {"message": said})
