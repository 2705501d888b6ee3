"""The Chromium that the tests drive: found, or else installed.

Usage: python -m tools.browser      (prints its path)
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
OPTIONS = (
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def find():
    """Return the path of a Chromium on this machine, or None."""
    installed = next(filter(None, map(shutil.which, NAMES)), None)
    if installed:
        return installed
    with sync_playwright() as playwright:
        own = Path(playwright.chromium.executable_path)
    return str(own) if own.exists() else None


def is_root():
    """Say whether this process is the superuser's; Windows knows none."""
    return getattr(os, "geteuid", lambda: None)() == 0


def install():
    """Install Chromium: Debian's package as root, else the one that Playwright downloads.

    Raises
    ------
    subprocess.CalledProcessError
        If that fails.
    """
    if is_root() and shutil.which("apt-get"):
        subprocess.run(["apt-get", "update", "-qq"], check=True)
        subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"], check=True)
    else:
        subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=True)


def options():
    """Return Chromium's command-line options; root has no sandbox to give it."""
    return [*OPTIONS, "--no-sandbox"] if is_root() else list(OPTIONS)


if __name__ == "__main__":
    if not find():
        install()
    print("Browser for the tests:", find())
