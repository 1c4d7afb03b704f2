"""The documentation's site in a browser: navigation, search, themes, phones, and nothing from elsewhere."""

import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from browser_page import Page
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

KINDS = ["tutorial/3-chain-rule", "from-tensorflow", "mathematics/losses", "api/backprop"]
SECTIONS = ["Tutorial", "Coming from", "Guides", "Mathematics", "Proof", "API", "Project"]
LINKS = "return [...document.querySelectorAll(arguments[0])].map((each) => each.textContent)"


class Quiet(SimpleHTTPRequestHandler):
    """A server of files that writes no log, and has the site's own page for what it does not have."""

    def log_message(self, *_):
        pass

    def send_error(self, code, *_):
        content = Path(self.directory, "404.html").read_bytes()
        self.send_response(code)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture(scope="module")
def server(site_folder):
    """Where the site is served on this machine."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=site_folder)) as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{serving.server_port}"
        serving.shutdown()
        thread.join()


@pytest.fixture
def site(chromium, server):
    """A page in a browser; the test fails if the console complained or anything came from elsewhere."""
    shown = Page(chromium)
    yield shown
    assert shown.complaints() == []
    assert [each for each in shown.requests() if not each.startswith(f"{server}/")] == []


def follow(page, link, title):
    """Press a link, and wait for the page with this heading."""
    link.click()
    WebDriverWait(page.driver, 10).until(lambda _: page.text("h1").startswith(title))


def search(page, words):
    """What the search finds: titles and where they lead."""
    page.press("/")
    page.press(*words)
    WebDriverWait(page.driver, 10).until(lambda _: page.text("#found"))
    return page.js(
        "return [...document.querySelectorAll('#found a')].map((each) => [each.textContent, each.href])"
    )


def test_every_page_fits_a_phone_and_loads_what_it_needs(site, server, site_folder):
    names = [path.relative_to(site_folder).as_posix() for path in sorted(site_folder.rglob("*.html"))]
    assert len(names) > 60
    site.open(f"{server}/{names[0]}", width=360)
    found = {}
    for name in names:
        if name != "404.html":
            site.driver.get(f"{server}/{name}")
            found[name] = (site.overflow(), site.complaints(), bool(site.all("h1")))
    assert {name: each for name, each in found.items() if each != (0, [], True)} == {}


def test_a_request_that_leaves_the_machine_would_be_seen(chromium, server):
    page = Page(chromium).open(f"{server}/index.html")
    page.driver.execute_async_script(
        "const done = arguments[0], image = new Image();"
        "image.onerror = () => done(); image.src = 'http://elsewhere.example/x.png'"
    )
    assert any("elsewhere.example" in each for each in page.complaints())


def test_the_list_of_pages_leads_to_each_kind(site, server):
    site.open(f"{server}/index.html", width=1400)
    assert site.js(LINKS, "nav summary") == SECTIONS
    site.all("nav summary")[0].click()
    follow(site, site.driver.find_element("link text", "3. The chain rule"), "3. The chain rule")
    assert site.js(LINKS, "nav details[open] > summary") == ["Tutorial"]
    assert site.js(LINKS, "nav [aria-current]") == ["3. The chain rule"]
    follow(site, site.css("[rel=next]"), "4. The update")
    follow(site, site.css("[rel=prev]"), "3. The chain rule")
    follow(site, site.css(".brand"), "jaxgd")


def test_the_list_of_headings_leads_to_them(site, server):
    site.open(f"{server}/tutorial/3-chain-rule.html", width=1400)
    site.driver.find_element("link text", "Three times the same numbers").click()
    assert site.js("return location.hash") == "#three-times-the-same-numbers"
    place = site.js("return document.querySelector(location.hash).getBoundingClientRect().top")
    assert site.css("header").size["height"] < place < 400


def test_the_list_of_pages_is_folded_on_a_phone(site, server):
    site.open(f"{server}/index.html", width=360)
    assert not site.css(".pages").is_displayed()
    site.css("nav label").click()
    assert site.css(".pages").is_displayed()
    assert site.overflow() <= 0
    site.press(Keys.SPACE)
    assert not site.css(".pages").is_displayed()


def test_the_search_finds_by_every_word_and_leads_there(site, server):
    site.open(f"{server}/index.html")
    found = search(site, "adam")
    assert found[0][0] == "adam"
    assert found[0][1].startswith(f"{server}/api/optimizers.html#")
    site.press(Keys.TAB, Keys.ENTER)
    WebDriverWait(site.driver, 10).until(lambda driver: driver.current_url == found[0][1])
    assert site.js("return document.getElementById(location.hash.slice(1)) !== null")
    titles = [title for title, _ in search(site, "persistent tape")]
    assert "The tape" in titles
    site.press(Keys.ESCAPE)
    assert site.text("#found") == ""
    assert search(site, "zzzqqq") == []
    assert site.text("#found") == "Nothing found."


def test_what_is_typed_is_no_markup(site, server):
    site.open(f"{server}/index.html")
    search(site, "<img src=x onerror=window.bad=1>")
    assert site.js("return window.bad") is None
    assert site.all("#found img") == []


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("name", KINDS)
def test_text_can_be_read_in_light_and_dark(site, server, name, dark):
    site.open(f"{server}/{name}.html", width=1400, dark=dark)
    site.js("localStorage.clear()")
    words = ("p", "li", "h1", "th", "td", "td code", "pre span")
    selector = ", ".join([*(f"main {word}:not(:empty)" for word in words), "nav a", "aside a"])
    assert min(site.contrasts(selector)) >= 4.5


def test_the_button_changes_the_colours_and_the_next_page_remembers(site, server):
    site.open(f"{server}/index.html")
    assert site.js("return document.documentElement.dataset.colours") == "light"
    site.css("#colours").click()
    site.open(f"{server}/parity.html")
    assert site.js("return document.documentElement.dataset.colours") == "dark"
    site.css("#colours").click()
    assert site.js("return document.documentElement.dataset.colours") == "light"
    site.js("localStorage.clear()")


def test_the_first_key_leads_past_the_navigation(site, server):
    site.open(f"{server}/tutorial/index.html")
    site.press(Keys.TAB)
    assert site.js("return document.activeElement.textContent") == "To the text"
    assert site.css(".skip").is_displayed()


def test_a_page_that_is_not_there_has_the_search(chromium, server):
    page = Page(chromium).open(f"{server}/no/such/page.html")
    assert page.text("h1") == "There is no such page"
    assert search(page, "momentum")
    assert [each for each in page.complaints() if "no/such/page.html" not in each] == []


def test_it_is_read_from_the_disk_as_well(chromium, site_folder):
    page = Page(chromium).open((site_folder / "tutorial/index.html").as_uri())
    assert search(page, "momentum")
    assert page.complaints() == []
