"""The site, looked at in a browser at two widths, without a network."""

import os
import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.docs

SITE = Path(os.environ.get("NAPPO2_SITE", Path(__file__).parents[2] / "docs/_build/html"))
WIDTHS = (390, 1100, 1280)  # of a phone, a window beside another and a laptop, in px

CUT = """() => {
  const scrolls = e => {
    for (; e.tagName !== 'ARTICLE'; e = e.parentElement) {
      const style = getComputedStyle(e)
      if (/auto|scroll/.test(style.overflowX)) return true
      if (style.visibility === 'hidden' || style.display === 'none') return true
    }
    return false
  }
  const own = e => [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())
  const found = [...document.querySelectorAll('article *')].filter(own).filter(e => {
    if (scrolls(e) || !e.getClientRects().length) return false
    const right = Math.max(...[...e.getClientRects()].map(r => r.right))
    const inside = e.clientWidth && e.scrollWidth > e.clientWidth + 1
    return inside || right > document.documentElement.clientWidth + 1
  })
  return found.map(e => `${e.tagName}: ${e.textContent.trim().slice(0, 80)}`)
}"""


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    path = os.environ.get("NAPPO2_CHROMIUM", "/usr/bin/chromium")
    given = {"executable_path": path} if Path(path).exists() else {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(args=["--no-sandbox"], **given)
        yield browser
        browser.close()


def pages():
    """All pages but the listings of sources and of the index."""
    found = sorted(p.relative_to(SITE) for p in SITE.rglob("*.html"))
    return [p for p in found if p.parts[0] not in ("_modules", "genindex.html", "search.html")]


@pytest.mark.parametrize("width", WIDTHS)
def test_no_text_is_cut_and_nothing_is_fetched_from_elsewhere(browser, width, tmp_path):
    """Of each page a screenshot is left in ``NAPPO2_SCREENSHOTS``, for a human to look at."""
    shots = Path(os.environ.get("NAPPO2_SCREENSHOTS", tmp_path))
    page = browser.new_page(viewport={"width": width, "height": 900})
    asked, cut = [], {}
    page.on("request", lambda request: asked.append(request.url))
    for path in pages():
        page.goto((SITE / path).as_uri())
        if found := page.evaluate(CUT):
            cut[str(path)] = found[:5]
        name = "_".join(path.with_suffix("").parts)
        page.screenshot(path=shots / f"{width}_{name}.png", full_page=True)
    assert len(pages()) > 25
    assert not cut
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []


def test_a_text_that_is_cut_is_found(browser):
    page = browser.new_page(viewport={"width": 390, "height": 900})
    page.set_content(
        "<body><article><p style='width:900px'>too wide</p><p>whole</p>"
        f"<p style='overflow:hidden;white-space:nowrap'>{'hidden ' * 50}</p>"
        f"<p style='overflow:auto;white-space:nowrap'>{'moved ' * 50}</p></article>"
    )
    assert [found[:7] for found in page.evaluate(CUT)] == ["P: too ", "P: hidd"]


def test_every_formula_became_mathml():
    html = (SITE / "recipes/ppo.html").read_text()
    assert html.count("<math") >= 3
    assert "$$" not in html
    assert "MathJax" not in html
    for path in SITE.rglob("recipes/*.html"):  # and nothing of LaTeX is left in one
        found = re.findall(r"<math.*?</math>", path.read_text(), re.DOTALL)
        assert not [formula for formula in found if "\\" in formula], path


def test_a_film_plays_in_the_page_of_a_notebook(browser):
    """That of the first notebook: its time goes on, and it has a picture."""
    page = browser.new_page()
    page.goto((SITE / "notebooks/1_a_first_pipeline.html").as_uri())
    page.locator("article video").scroll_into_view_if_needed()  # before that it stands still
    page.wait_for_function("() => document.querySelector('article video').currentTime > 0.5")
    width, error = page.evaluate(
        "() => (v => [v.videoWidth, v.error])(document.querySelector('article video'))"
    )
    assert width > 100 and error is None
