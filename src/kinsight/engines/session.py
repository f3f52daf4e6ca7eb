"""A connection to Ray: the cluster that is named, or one of this machine that nobody else sees."""

import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

from kinsight.errors import ArgumentError, KinsightError, MissingExtraError

LOOPBACK = "127.0.0.1"
_ANSWER = 10.0  # seconds within which a cluster must take a connection
# Ray binds to all interfaces unless it is told that clusters of several machines are not wanted.
_ONE_MACHINE = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_USAGE_STATS_ENABLED": "0"}


def import_ray() -> ModuleType:
    """The package Ray.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import ray
        import ray.exceptions
    except ImportError as error:
        raise MissingExtraError(
            "the engine 'ray' needs the package Ray: pip install 'kinsight[ray]'"
        ) from error
    return ray


@contextmanager
def session(ray: ModuleType, address: str | None, logs: bool) -> Iterator[bool]:
    """Be connected to a cluster inside; gives whether it was started here.

    A connection that exists already is used and left alone. What was started here, and only
    that, is shut down at the end.

    Raises:
        ArgumentError: no cluster answers at the address, or another one is connected.
    """
    if ray.is_initialized():
        _check_same(ray, address)
        yield False
        return
    target = address or os.environ.get("RAY_ADDRESS") or "local"
    alone = target == "local"
    with _sigterm_kept(), _on_loopback(ray) if alone else nullcontext():
        try:
            _connect(ray, target, logs)
            yield alone
        finally:
            ray.shutdown()


def _connect(ray: ModuleType, target: str, logs: bool) -> None:
    """``ray.init``, quiet. Ray itself would ask for minutes at an address where nobody is."""
    _check_answers(target)
    options: dict[str, Any] = {"log_to_driver": logs, "logging_level": logging.ERROR}
    if target == "local":
        options["include_dashboard"] = False
    try:
        context = ray.init(target, **options)
    except (ConnectionError, RuntimeError, ValueError, ImportError) as error:
        raise _no_cluster(target, error) from error
    if target == "local" and context.address_info["node_ip_address"] != LOOPBACK:
        raise KinsightError(
            f"expected Ray to listen on {LOOPBACK} alone, it listens on "
            f"{context.address_info['node_ip_address']}; this version of Ray is not known: start "
            f"a cluster with `ray start --head --node-ip-address={LOOPBACK}` and give its address"
        )


def _check_answers(target: str) -> None:
    """That something listens at an address of the form host:port or ray://host:port."""
    try:
        where = urlsplit("//" + target.removeprefix("ray://"))
        if where.port is not None:
            socket.create_connection((where.hostname or LOOPBACK, where.port), _ANSWER).close()
    except (OSError, ValueError) as error:
        raise _no_cluster(target, error) from error


def _no_cluster(target: str, error: Exception) -> ArgumentError:
    return ArgumentError(
        f"address: expected a Ray cluster that answers at {target!r}, got: {error}; `ray status` "
        "on its head node says whether it runs; versions of Ray and Python must be the same here"
    )


def _check_same(ray: ModuleType, address: str | None) -> None:
    """That the existing connection is to the cluster that is asked for."""
    if address in (None, "auto"):
        return
    if address.startswith("ray://") and ray.util.client.ray.is_connected():
        return  # a client does not know what it was connected by
    connected = ray.get_runtime_context().gcs_address
    if address != connected:
        raise ArgumentError(
            f"address: expected {connected!r}, to which this process is connected already, got "
            f"{address!r}; call ray.shutdown() first or leave the address out"
        )


@contextmanager
def _on_loopback(ray: ModuleType) -> Iterator[None]:
    """Make a cluster that is started inside listen on 127.0.0.1 only and report to nobody."""
    before = {name: os.environ.get(name) for name in _ONE_MACHINE}
    constants = ray._private.ray_constants
    several = getattr(constants, "ENABLE_RAY_CLUSTER", True)
    os.environ.update(_ONE_MACHINE)
    constants.ENABLE_RAY_CLUSTER = False  # read from the environment when Ray was imported
    try:
        yield
    finally:
        constants.ENABLE_RAY_CLUSTER = several
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _sigterm_kept() -> Iterator[None]:
    """Ray replaces the handler of SIGTERM when it connects; put back the one of before."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
