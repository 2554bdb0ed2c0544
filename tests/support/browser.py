"""Starts Chromium, or says what is missing."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright
from support.not_run import not_run
from support.typescript import need_node

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@contextmanager
def chromium() -> Iterator[Browser]:
    """Give a running Chromium. Without one the test is not run, and says so; in CI it fails."""
    program = shutil.which("chromium")
    if program is None:
        not_run("no Chromium here. Install it: apt-get install chromium fonts-noto-cjk")
    need_node()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        browser.close()
