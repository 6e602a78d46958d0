"""The page's files, served at addresses that name their content.

They are read once and served below `/assets/<digest>/`, where the digest covers every name and
every byte. So a browser may keep each for ever, modules import one another by relative address
without a build step, and no page mixes the modules of two versions.
Invariant: an address never has other content; with another digest there is nothing.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from django.conf import settings

FOLDERS: Final = ("quantatrade/trade", "vendor/lightweight-charts")
DIGEST_CHARS: Final = 16
ENTRY: Final = "quantatrade/trade/main.js"
STYLE: Final = "quantatrade/trade/trade.css"
_TYPES: Final = {
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
_SCRIPTS: Final = (".js", ".mjs")


@dataclass(frozen=True, slots=True)
class Asset:
    """One file; `gzipped` is None where that would not be shorter."""

    content_type: str
    content: bytes
    gzipped: bytes | None


@dataclass(frozen=True, slots=True)
class AssetSet:
    """All files by their path below `static/`, and the digest over them."""

    digest: str
    files: Mapping[str, Asset]

    def url(self, path: str) -> str:
        """Return the address of a file. KeyError if there is none."""
        assert path in self.files, f"no asset {path!r}"
        return f"/assets/{self.digest}/{path}"

    @property
    def module_urls(self) -> list[str]:
        """Return every script, so that the page can ask for all of them at once."""
        return [self.url(path) for path in self.files if path.endswith(_SCRIPTS)]


def assets_read(root: Path, folders: Iterable[str] = FOLDERS) -> AssetSet:
    """Read all files of known types below the folders."""
    digest = hashlib.sha256()
    files = {}
    paths = sorted(
        path for folder in folders for path in (root / folder).rglob("*") if path.suffix in _TYPES
    )
    for path in paths:
        name, content = path.relative_to(root).as_posix(), path.read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
        files[name] = _asset(path.suffix, content)
    return AssetSet(digest.hexdigest()[:DIGEST_CHARS], files)


def _asset(suffix: str, content: bytes) -> Asset:
    gzipped = gzip.compress(content, compresslevel=9, mtime=0)
    return Asset(_TYPES[suffix], content, gzipped if len(gzipped) < len(content) else None)


@cache
def _assets_once() -> AssetSet:
    return assets_read(Path(settings.STATICFILES_DIRS[0]))


def assets_current() -> AssetSet:
    """Return the files: as they were at the first call, with QT_DEBUG as they are now."""
    if settings.DEBUG:
        return assets_read(Path(settings.STATICFILES_DIRS[0]))
    return _assets_once()
