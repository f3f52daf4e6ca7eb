"""What processes there are and where they listen, read from /proc."""

import os
import socket
import struct
import time
from collections.abc import Callable, Iterable
from pathlib import Path

LISTEN = "0A"


def parents() -> dict[int, int]:
    """Every process with its parent."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue  # gone meanwhile
        if fields[0] != "Z":
            found[int(path.parent.name)] = int(fields[1])
    return found


def tree(root: int) -> set[int]:
    """The descendants of a process."""
    children = parents()
    found, new = set(), {root}
    while new:
        new = {child for child, parent in children.items() if parent in new} - found
        found |= new
    return found


def listening(processes: Iterable[int]) -> set[tuple[str, int]]:
    """(address, port) of the TCP sockets on which these processes listen."""
    return {where for inode, where in _sockets().items() if inode in _inodes(processes)}


def wait_until(true: Callable[[], bool], seconds: float) -> bool:
    """Whether something becomes true within so many seconds."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def _inodes(processes: Iterable[int]) -> set[str]:
    found = set()
    for process in processes:
        try:
            for handle in Path(f"/proc/{process}/fd").iterdir():
                found.add(os.readlink(handle).removeprefix("socket:[").removesuffix("]"))
        except OSError:
            continue
    return found


def _sockets() -> dict[str, tuple[str, int]]:
    found = {}
    for name in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTEN:
                address, port = fields[1].split(":")
                found[fields[9]] = (_address(address), int(port, 16))
    return found


def _address(text: str) -> str:
    """Words of 32 bits in the order of the machine; IPv4 inside IPv6 is shown as IPv4."""
    raw = b"".join(struct.pack("=I", int(text[i : i + 8], 16)) for i in range(0, len(text), 8))
    if len(raw) == 4:
        return socket.inet_ntop(socket.AF_INET, raw)
    if raw[:12] == bytes(10) + b"\xff\xff":
        return socket.inet_ntop(socket.AF_INET, raw[12:])
    return socket.inet_ntop(socket.AF_INET6, raw)
