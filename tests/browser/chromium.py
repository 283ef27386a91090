"""A real Chromium, started as the tests need it."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Playwright

FLAGS: Final = (
    "--no-sandbox",
    "--use-fake-device-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
    "--disable-backgrounding-occluded-windows",
    "--disable-quic",
    "--disable-gpu",
    "--mute-audio",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-component-update",
    "--disable-background-networking",
    "--disable-sync",
)

LOCAL_NETWORK_CHECKS: Final = (
    "LocalNetworkAccessChecks",
    "LocalNetworkAccessChecksWebRTC",
    "LocalNetworkAccessChecksWebSockets",
)
"""With these on, a page of localhost may not open a socket to another loopback port unasked."""

MDNS: Final = "WebRtcHideLocalIpsWithMdns"
"""On in every ordinary browser whose page has no camera permission: candidates are ``*.local``."""


@contextmanager
def open_chromium(playwright: Playwright, *, mdns: bool = False, permission: bool = True) -> Iterator[Browser]:
    """Start a Chromium for the length of the block.

    Args:
        playwright: What drives it.
        mdns: Hide local addresses behind mDNS names, as browsers of ordinary viewers do.
        permission: Grant camera and microphone (a fake one each) without asking.
    """
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    assert path is not None, "no chromium on PATH; `make setup` installs it"
    disabled = LOCAL_NETWORK_CHECKS if mdns else (*LOCAL_NETWORK_CHECKS, MDNS)
    flags = [*FLAGS, f"--disable-features={','.join(disabled)}"]
    if permission:
        flags.append("--use-fake-ui-for-media-stream")
    browser = playwright.chromium.launch(executable_path=path, args=flags)
    try:
        yield browser
    finally:
        browser.close()
