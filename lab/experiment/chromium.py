"""How a Chromium is started that plays a person: no questions asked, nothing throttled, nothing sent home."""

from __future__ import annotations

import importlib.util
import shutil
from typing import Final

from lab.errors import LabError

__all__ = ["FLAGS", "LOCAL_NETWORK_CHECKS", "MDNS", "check_browser", "find_chromium"]

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


def find_chromium() -> str | None:
    """Where the browser is; None when it is not in ``PATH``."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


def check_browser() -> None:
    """Say in one sentence why no browser can play here.

    Raises:
        LabError: ``program_missing``.
    """
    if importlib.util.find_spec("playwright") is None:
        message = "--browser needs playwright, which `make setup` installs in a clone of the repository."
        raise LabError("program_missing", message)
    if find_chromium() is None:
        raise LabError("program_missing", "--browser needs a program chromium, which `make setup` installs.")
