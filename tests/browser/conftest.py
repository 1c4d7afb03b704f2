"""A real browser without a screen: Debian's chromium and its driver (packages chromium, chromium-driver)."""

import shutil
from pathlib import Path

import pytest
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
)


def _program(*names):
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None:
        pytest.fail(
            f"no {names[0]} on this machine, and pages are tested in a real browser. "
            "On Debian: apt-get install chromium chromium-driver",
            pytrace=False,
        )
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


class Page:
    """A page that is open, and what a user does with it."""

    def __init__(self, driver):
        self.driver = driver

    def open(self, path: Path, width=1200, dark=False):
        """Load a file as a user with this screen and this taste does."""
        self.driver.get("about:blank")
        self.driver.get_log("browser")
        screen = {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": width < 500}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        self.driver.get(path.as_uri())
        return self

    def js(self, code, *arguments):
        return self.driver.execute_script(code, *arguments)

    def css(self, selector):
        return self.driver.find_element("css selector", selector)

    def all(self, selector):
        return self.driver.find_elements("css selector", selector)

    def text(self, selector):
        return self.js("return document.querySelector(arguments[0]).textContent", selector)

    def press(self, *keys):
        """Keys as they come from a keyboard, to whatever has the focus."""
        actions = webdriver.ActionChains(self.driver, duration=0)
        for key in keys:
            actions.send_keys(key)
        actions.perform()

    def hover(self, selector, right, down):
        """The pointer over a share of an element's width and height."""
        self.js("document.querySelector(arguments[0]).scrollIntoView({block: 'center'})", selector)
        element = self.css(selector)
        x, y = (right - 0.5) * element.size["width"], (down - 0.5) * element.size["height"]
        webdriver.ActionChains(self.driver, duration=0).move_to_element_with_offset(element, x, y).perform()

    def slide(self, selector, value):
        """A slider or a choice set to a value, as its events tell the page."""
        self.js(
            "const e = document.querySelector(arguments[0]); e.value = arguments[1];"
            "e.dispatchEvent(new Event(e.type === 'range' ? 'input' : 'change'))",
            selector,
            str(value),
        )

    def complaints(self):
        """What the console says, a page's own policy included."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self):
        """Addresses that the page asked for."""
        return self.js("return performance.getEntriesByType('resource').map((each) => each.name)")

    def overflow(self):
        """By how much the page is wider than the screen."""
        return self.js("return document.documentElement.scrollWidth - document.documentElement.clientWidth")

    def contrasts(self, selector):
        """Contrast of text with what is behind it, as the accessibility guidelines count it."""
        return self.js(CONTRAST, selector)


CONTRAST = """
const channels = (color) => {
  const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1);
  return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
};
const luminance = (color) => {
  const [r, g, b] = channels(color).map((each) => each / 255)
    .map((each) => (each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const behind = (element) => {
  for (let each = element; each; each = each.parentElement) {
    const color = getComputedStyle(each).backgroundColor;
    if (color !== "rgba(0, 0, 0, 0)" && color !== "transparent") return color;
  }
  return "white";
};
return [...document.querySelectorAll(arguments[0])].map((element) => {
  const style = getComputedStyle(element);
  const ink = element instanceof SVGElement ? style.fill : style.color;
  const box = element instanceof SVGElement && element.closest(".unit")?.querySelector("rect");
  const paper = box ? getComputedStyle(box).fill : behind(element);
  const [high, low] = [luminance(ink), luminance(paper)].sort((a, b) => b - a);
  return (high + 0.05) / (low + 0.05);
});
"""


@pytest.fixture
def page(chromium):
    """A page in a browser; the test fails if the console complained or the page asked for anything."""
    shown = Page(chromium)
    yield shown
    assert shown.complaints() == []
    assert shown.requests() == []
