"""The digest of the page's sources, written beside the built page: do both belong together?"""

import hashlib
from pathlib import Path

SOURCES = Path(__file__).parent
FILE = "sources.sha256"
_BUILT_FROM = ("index.html", "package.json", "package-lock.json", "tsconfig.json", "vite.config.ts")


def digest() -> str:
    """SHA-256 over names and contents of all that the page is built from."""
    listed = [SOURCES / name for name in _BUILT_FROM]
    listed += sorted(path for path in (SOURCES / "src").rglob("*") if path.is_file())
    total = hashlib.sha256()
    for path in listed:
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        total.update(f"{path.relative_to(SOURCES).as_posix()} {content}\n".encode())
    return total.hexdigest()
