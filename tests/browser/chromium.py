"""A real Chromium, started as the tests need it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from lab.experiment.chromium import FLAGS, LOCAL_NETWORK_CHECKS, MDNS, find_chromium

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Playwright


@contextmanager
def open_chromium(
    playwright: Playwright,
    *,
    mdns: bool = False,
    permission: bool = True,
    program: Path | None = None,
    trusted: str | None = None,
) -> Iterator[Browser]:
    """Start a Chromium for the length of the block.

    Args:
        playwright: What drives it.
        mdns: Hide local addresses behind mDNS names, as browsers of ordinary viewers do.
        permission: Grant camera and microphone (a fake one each) without asking.
        program: What to start in its place, such as a script that starts it in a namespace.
        trusted: The origin of a node without TLS, beyond loopback, whose pages may have a microphone all the same.
    """
    path = program or find_chromium()
    assert path is not None, "no chromium on PATH; `make setup` installs it"
    disabled = LOCAL_NETWORK_CHECKS if mdns else (*LOCAL_NETWORK_CHECKS, MDNS)
    flags = [*FLAGS, f"--disable-features={','.join(disabled)}"]
    if permission:
        flags.append("--use-fake-ui-for-media-stream")
    if trusted is not None:
        flags.append(f"--unsafely-treat-insecure-origin-as-secure={trusted}")
    browser = playwright.chromium.launch(executable_path=path, args=flags)
    try:
        yield browser
    finally:
        browser.close()
