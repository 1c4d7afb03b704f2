"""A real browser without a screen: Debian's chromium and its driver (packages chromium, chromium-driver).

A browser does not come by pip. Without one these tests are skipped; JAXGD_BROWSER=required makes them fail.
"""

import os
import shutil

import pytest
from browser_page import Page
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # what would leave the machine fails
)


def _program(*names):
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None:
        reason = (
            f"no {names[0]} on this machine, and pages are tested in a real browser. "
            "On Debian: apt-get install chromium chromium-driver"
        )
        if os.environ.get("JAXGD_BROWSER") == "required":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    return found


@pytest.fixture(scope="session")
def chromium():
    """The browser's process, shared by the tests."""
    options = webdriver.ChromeOptions()
    options.binary_location = _program("chromium", "chromium-browser", "google-chrome")
    for flag in FLAGS:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(_program("chromedriver")))
    yield driver
    driver.quit()


@pytest.fixture
def page(chromium):
    """A page in a browser; the test fails if the console complained or the page asked for anything."""
    shown = Page(chromium)
    yield shown
    assert shown.complaints() == []
    assert shown.requests() == []
