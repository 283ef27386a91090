"""The join page and the browser SDK, served from the installed ``web/`` folder.

All files are read once, at start: there are a few, and a node that is being upgraded keeps serving
the page that belongs to it. Browsers ask again every time and get a 304.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from quart import Blueprint, Response, request

if TYPE_CHECKING:
    from collections.abc import Mapping

WEB_ROOT: Final = Path(__file__).parents[3] / "web"

CONTENT_TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {
        ".html": "text/html; charset=utf-8",
        ".js": "text/javascript; charset=utf-8",
        ".css": "text/css; charset=utf-8",
        ".svg": "image/svg+xml",
        ".png": "image/png",
        ".ico": "image/x-icon",
        ".woff2": "font/woff2",
        ".webmanifest": "application/manifest+json",
    }
)
"""Files of other kinds are not served."""

MAX_FILES: Final = 256
MAX_TOTAL_BYTES: Final = 16 * 1024 * 1024
"""The page has a few dozen kB; a folder above these bounds is not the page."""

SECURITY_HEADERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "Content-Security-Policy": "; ".join(
            (
                "default-src 'none'",
                "script-src 'self'",
                "style-src 'self'",
                "font-src 'self'",
                "img-src 'self' data: blob:",
                "media-src 'self' blob:",
                "manifest-src 'self'",
                # The page talks to whichever node is nearest; plain http is for try-outs on one machine.
                "connect-src 'self' https: wss: http: ws:",
                "base-uri 'none'",
                "form-action 'none'",
                "frame-ancestors 'none'",
            )
        ),
        "Permissions-Policy": "camera=(self), microphone=(self), display-capture=(self), geolocation=()",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
)


@dataclass(frozen=True, kw_only=True, slots=True)
class PageFile:
    """One file of the page."""

    content: bytes
    content_type: str
    etag: str


def read_page(root: Path) -> Mapping[str, PageFile]:
    """Read the files below ``root`` by their path; an ``index.html`` stands for its folder, too.

    Raises:
        ValueError: There is more than a page would have.
    """
    files: dict[str, PageFile] = {}
    total = 0
    for path in sorted(root.rglob("*")):
        content_type = CONTENT_TYPES.get(path.suffix)
        if content_type is None or not path.is_file():
            continue
        content = path.read_bytes()
        total += len(content)
        if len(files) >= MAX_FILES or total > MAX_TOTAL_BYTES:
            raise ValueError(f"{root} holds more than {MAX_FILES} files or {MAX_TOTAL_BYTES} bytes")
        etag = hashlib.sha256(content).hexdigest()[:32]
        name = path.relative_to(root).as_posix()
        files[name] = PageFile(content=content, content_type=content_type, etag=etag)
        if path.name == "index.html":
            files[name.removesuffix("index.html")] = files[name]
    return MappingProxyType(files)


def page_blueprint(root: Path = WEB_ROOT) -> Blueprint:
    """Make the resource."""
    files = read_page(root)
    blueprint = Blueprint("page", __name__)

    async def page(name: str) -> Response:
        """Serve a file of the page."""
        file = files[name]
        if request.if_none_match.contains_weak(file.etag):
            response = Response(b"", status=304)
        else:
            response = Response(file.content, content_type=file.content_type)
        response.set_etag(file.etag)
        response.headers["Cache-Control"] = "no-cache"
        response.headers.update(SECURITY_HEADERS)
        return response

    for name in files:
        blueprint.add_url_rule(f"/{name}", "page", page, defaults={"name": name}, methods=["GET"])
    return blueprint
