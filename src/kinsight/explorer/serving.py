"""A server on this machine: its socket, its address, the browser, its end."""

import errno
import os
import secrets
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable
from dataclasses import dataclass, field

import uvicorn

from kinsight.errors import ArgumentError
from kinsight.explorer.application import application
from kinsight.explorer.guard import Access
from kinsight.explorer.session import Session

PORT = 8765  # or one of the next, where it is taken
_TRIED = 20
LOCAL = ("127.0.0.1", "localhost", "::1")
_EVERYWHERE = ("0.0.0.0", "::")


@dataclass(frozen=True)
class Bound:
    """A socket that listens, and who is let in there."""

    sockets: list[socket.socket]
    access: Access
    address: str  # to open in the browser
    notes: list[str] = field(default_factory=list)


def bind(host: str, port: int | None, write_token: str, guarded: bool = False) -> Bound:
    """Listen on ``host``; without a ``port`` on the first free one from 8765.

    Elsewhere than on this machine alone, and where ``guarded``, a token is needed, which is part
    of the address.

    Raises:
        ArgumentError: the port is taken, or the address is none of this machine.
    """
    tried = [port] if port is not None else [*range(PORT, PORT + _TRIED), 0]
    for candidate in tried:
        try:
            listening = _listen(host, candidate)
            break
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise ArgumentError(
                    f"--host {host} --port {candidate}: expected an address of this machine, got: "
                    f"{error.strerror or error}; leave --host out for 127.0.0.1"
                ) from error
    else:
        raise ArgumentError(
            f"--port {port}: expected a free port, something listens there already (another "
            "`kinsight explore`?); leave --port out, and a free one is taken"
        )
    taken = listening.getsockname()[1]
    notes = [f"Port {PORT} is taken; this is {taken}."] if port is None and taken != PORT else []
    alone = host in LOCAL and not guarded
    read_token = None if alone else secrets.token_urlsafe(24)
    names = (
        frozenset() if host in LOCAL else frozenset({"*" if host in _EVERYWHERE else _in_url(host)})
    )
    access = Access(taken, write_token, read_token, names)
    named = socket.gethostname() if host in _EVERYWHERE else _in_url(host)
    secret = f"/?token={read_token}" if read_token else "/"
    return Bound([listening], access, f"http://{named}:{taken}{secret}", notes)


def serve(session: Session, bound: Bound, opened: Callable[[], None] | None = None) -> None:
    """Serve until Ctrl-C. ``opened``: called once when requests are answered."""
    config = uvicorn.Config(
        application(session, bound.access), log_level="warning", access_log=False,
        server_header=False, ws="none", lifespan="off", timeout_graceful_shutdown=2,
    )  # fmt: skip
    server = uvicorn.Server(config)
    threading.Thread(target=session.warm, daemon=True).start()
    if opened is not None:
        threading.Thread(target=_when_started, args=(server, opened), daemon=True).start()
    server.run(sockets=bound.sockets)


def can_show() -> bool:
    """Whether a browser of this person is likely to appear."""
    if "SSH_CONNECTION" in os.environ:
        return False
    if sys.platform in ("darwin", "win32"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def show(address: str) -> None:
    """Open the page; a browser that does not come is no error, the address was printed."""
    webbrowser.open(address)


def _when_started(server: uvicorn.Server, opened: Callable[[], None]) -> None:
    pause = threading.Event()
    while not server.started and not server.should_exit:
        pause.wait(0.05)
    if server.started:
        opened()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":  # elsewhere it would let two servers share a port
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(128)
    except OSError:
        listening.close()
        raise
    return listening


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
