"""Who may ask: addresses, origins and tokens, looked at before any route; headers on every answer.

The explorer shows private data on a local port, which every page in the same browser can reach.
A page of somebody else can send requests there but cannot read answers (no CORS), cannot pass
under another name (Host), and cannot write (token, Origin, type of the body).
"""

import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = "; ".join(
    (
        "default-src 'none'", "script-src 'self'", "style-src 'self'",
        "img-src 'self' data: blob:", "connect-src 'self'", "font-src 'self'",
        "worker-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'",
    )
)  # fmt: skip
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "x-frame-options": "DENY",
}
TOKEN = "x-kinsight-token"
_READS = ("GET", "HEAD")
_LARGEST_BODY = 1 << 16  # bytes
_LONGEST_QUERY = 1 << 14


@dataclass(frozen=True)
class Access:
    """Who is let in.

    Args:
        port: the server's.
        write_token: what a write must bring along; the page reads it from /api/about.
        read_token: what every request must bring, as a cookie or once as ``?token=``; None on
            an address that this machine alone reaches.
        names: further names under which the server may be asked for; ``*``: any, which only the
            token makes safe.
    """

    port: int
    write_token: str
    read_token: str | None = None
    names: frozenset[str] = frozenset()

    @property
    def cookie(self) -> str:
        """Its name; cookies of one machine are shared by all its ports."""
        return f"kinsight-{self.port}"

    def host_fits(self, host: str) -> bool:
        """Whether a Host header names this server."""
        name, _, port = host.rpartition(":") if not host.endswith("]") else (host, "", "")
        if not name:
            name, port = host, ""
        if (port or "80") != str(self.port):
            return False
        own = {"127.0.0.1", "localhost", "[::1]", *self.names}
        return name.lower() in own or "*" in self.names


class Guard:
    """Lets a request through to ``app``, or answers it."""

    def __init__(self, app: ASGIApp, access: Access):
        self.app = app
        self.access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            return
        sent = _with_headers(scope["path"], send)
        refused = self._refused(scope)
        if refused is not None:
            return await refused(scope, receive, sent)
        await self.app(scope, _limited(receive), sent)

    def _refused(self, scope: Scope) -> Response | None:
        headers, method, path = Headers(scope=scope), scope["method"], scope["path"]
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self.access.host_fits(hosts[0]):
            return _no(
                403, f"the address http://127.0.0.1:{self.access.port} or localhost", hosts,
                "open that address; other names are refused, because a page of somebody else "
                "could use one to read your data",
            )  # fmt: skip
        if len(scope.get("query_string", b"")) > _LONGEST_QUERY:
            return _no(414, "a shorter address", "one too long", "ask for less")
        stranger = self._stranger(scope, headers)
        if stranger is not None:
            return stranger
        site = headers.get("sec-fetch-site", "none")
        if path.startswith("/api") and site not in ("same-origin", "none"):
            return _no(403, "a request of the explorer's own page", f"one of a {site} page", "–")
        return None if method in _READS else self._unwritable(headers, hosts[0])

    def _stranger(self, scope: Scope, headers: Headers) -> Response | None:
        """The answer to who has no token for reading, or brings it for the first time."""
        wanted = self.access.read_token
        if wanted is None:
            return None
        given = parse_qs(scope.get("query_string", b"").decode("latin-1"))
        if _equal(given.get("token", [""])[0], wanted):
            return self._let_in(scope["path"], given) if scope["method"] == "GET" else None
        if _equal(_cookie(headers, self.access.cookie), wanted):
            return None
        return _no(
            401, "the token of this server", "none or another",
            "open the whole address that `kinsight explore` printed, with ?token=…",
        )  # fmt: skip

    def _let_in(self, path: str, given: dict[str, list[str]]) -> Response:
        """A cookie instead of the token in the address, where others could read it."""
        rest = urlencode({k: v for k, v in given.items() if k != "token"}, doseq=True)
        # A path of two slashes would lead to another server.
        where = "/" + path.lstrip("/") + (f"?{rest}" if rest else "")
        response = RedirectResponse(where, 303)
        response.set_cookie(
            self.access.cookie, self.access.read_token or "", httponly=True, samesite="strict"
        )
        return response

    def _unwritable(self, headers: Headers, host: str) -> Response | None:
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        same = origin in (None, f"http://{host}") and site in (None, "same-origin")
        if not same or (origin is None and site is None):
            return _no(
                403, "a write of the explorer's own page", f"one of {origin or site or 'unknown'}",
                "send Origin: as a browser does",
            )  # fmt: skip
        if not _equal(headers.get(TOKEN, ""), self.access.write_token):
            return _no(
                403, f"the header {TOKEN} with the token of /api/about", "none or another",
                "reload the page: the server was started again",
            )  # fmt: skip
        kind = headers.get("content-type", "").split(";")[0].strip().lower()
        if kind != "application/json":
            return _no(415, "application/json", kind or "no type", "send Content-Type")
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > _LARGEST_BODY:
            return _no(413, f"at most {_LARGEST_BODY:,} bytes", length, "send less")
        return None


def _limited(receive: Receive) -> Receive:
    """The body, which ends where it becomes too large whatever its length was said to be."""
    seen = 0

    async def limited() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > _LARGEST_BODY:
            return {"type": "http.request", "body": b"", "more_body": False}
        return message

    return limited


def _with_headers(path: str, send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers[name] = value
            # Another run may be at this address tomorrow: nothing of this one is kept.
            headers["cache-control"] = "no-store" if path.startswith("/api") else "no-cache"
        await send(message)

    return sent


def _cookie(headers: Headers, name: str) -> str:
    try:
        found = SimpleCookie("; ".join(headers.getlist("cookie"))).get(name)
    except CookieError:
        return ""
    return "" if found is None else found.value


def _equal(given: str, wanted: str) -> bool:
    """In a time that does not tell how much of it is right."""
    return hmac.compare_digest(given.encode(), wanted.encode())


def _no(status: int, expected: str, got: str | Iterable[str], do: str) -> Response:
    said = got if isinstance(got, str) else ", ".join(got) or "none"
    return JSONResponse({"error": {"expected": expected, "got": said[:200], "do": do}}, status)
