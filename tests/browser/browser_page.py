"""A page that is open in a browser, and what a user does with it."""

from pathlib import Path

from selenium import webdriver


class Page:
    """A page that is open, and what a user does with it."""

    def __init__(self, driver):
        self.driver = driver

    def open(self, path: Path | str, width=1200, dark=False):
        """Load a file, or an address, as a user with this screen and this taste does."""
        self.driver.get("about:blank")
        self.driver.get_log("browser")
        screen = {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": width < 500}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        taste = {"prefers-color-scheme": "dark" if dark else "light", "prefers-reduced-motion": "reduce"}
        features = [{"name": name, "value": value} for name, value in taste.items()]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        self.driver.get(path.as_uri() if isinstance(path, Path) else path)
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
const channels = (colors) => {
  const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  for (const color of colors) { canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1); }
  return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
};
const luminance = (colors) => {
  const [r, g, b] = channels(colors).map((each) => each / 255)
    .map((each) => (each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const behind = (element) => {
  const colors = [];
  for (let each = element; each; each = each.parentElement) {
    colors.unshift(getComputedStyle(each).backgroundColor);
  }
  return colors;
};
return [...document.querySelectorAll(arguments[0])].map((element) => {
  const style = getComputedStyle(element);
  const ink = element instanceof SVGElement ? style.fill : style.color;
  const box = element instanceof SVGElement && element.closest(".unit")?.querySelector("rect");
  const paper = [...behind(element), ...(box ? [getComputedStyle(box).fill] : [])];
  const [high, low] = [luminance([...paper, ink]), luminance(paper)].sort((a, b) => b - a);
  return (high + 0.05) / (low + 0.05);
});
"""
