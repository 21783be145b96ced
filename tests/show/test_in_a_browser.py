"""What is drawn, as a browser shows it: no text is cut off, covered, or out of its box."""

import json
import re
import runpy
import shutil
import subprocess
from pathlib import Path

import pytest

from nappo2 import envs, look, on_ray, sac, scheme, workers
from nappo2.recipes import PPO, ppo
from nappo2.stages.recipe import collect_of, learn_of

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
DOCS = Path(__file__).parents[2] / "docs"
DRAWINGS = runpy.run_path(str(DOCS / "draw_schemes.py"))["drawings"]()
MEASURE = """
<script>
addEventListener("load", () => {
  const faults = [];
  for (const svg of document.querySelectorAll("svg")) {
    const page = svg.getBoundingClientRect();
    const texts = [...svg.querySelectorAll("text")].map(t => [t, t.getBoundingClientRect()]);
    for (const [t, r] of texts) {
      if (r.left < page.left - 1 || r.right > page.right + 1 || r.top < page.top - 1
          || r.bottom > page.bottom + 1) faults.push("cut off: " + t.textContent);
      const box = t.previousElementSibling;
      if (box && box.tagName == "rect" && box.getAttribute("rx") == "6") {
        const b = box.getBoundingClientRect();
        if (r.left < b.left || r.right > b.right) faults.push("out of its box: " + t.textContent);
      }
    }
    texts.forEach(([t, a], i) => texts.slice(i + 1).forEach(([u, b]) => {
      const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      const both = t.textContent + " / " + u.textContent;
      if (across > 0.5 && down > 0.3 * a.height) faults.push("covered: " + both);
    }));
  }
  const wide = document.documentElement.scrollWidth > innerWidth + 1;
  if (wide) faults.push("the page is wider than the window");
  const found = {faults, texts: document.querySelectorAll("svg text").length, width: innerWidth};
  document.title = JSON.stringify(found);
});
</script>
"""


def test_the_pictures_of_the_schemes_are_those_that_are_drawn_now():
    """Otherwise: python docs/draw_schemes.py."""
    for name, drawn in DRAWINGS.items():
        assert (DOCS / "pictures" / name).read_text() == drawn + "\n"


def page():
    """All that is drawn, in blocks as a notebook has them."""
    recipe = ppo(envs.cartpole(8), PPO(num_steps=32, num_epochs=4, num_minibatches=4))
    cut = workers(16, 12, ahead=2, preempt=0.5, on=on_ray(), name="a_long_name_of_workers")
    far = scheme("dadacs", sac(envs.pendulum(2)), collectors=16, learners=4, on=on_ray())
    pipes = [
        collect_of(recipe) | cut | recipe.prepare | learn_of(recipe),
        far,
        collect_of(recipe),
        recipe,
    ]
    parts = [*DRAWINGS.values()] + [look(x)._repr_html_() for x in pipes]
    inner = "".join(f"<div style='overflow-x:auto'>{part}</div>" for part in parts)
    return f"<!doctype html><meta charset=utf-8><body style='margin:8px'>{inner}{MEASURE}"


@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
@pytest.mark.parametrize("width", [520, 1200])
def test_no_text_is_cut_off_or_covered(width, tmp_path):
    (tmp_path / "page.html").write_text(page())
    shot = tmp_path / "page.png"
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--window-size={width},3000"]
    for option in ("--dump-dom", f"--screenshot={shot}"):
        command = [BROWSER, *options, option, f"file://{tmp_path}/page.html"]
        found = subprocess.run(command, capture_output=True, text=True, timeout=60)
        if option == "--dump-dom":
            title = re.search("<title>(.*?)</title>", found.stdout)[1].replace("&quot;", '"')
    said = json.loads(title)
    assert said["texts"] > 150 and said["width"] == width and said["faults"] == []
    assert shot.read_bytes().startswith(b"\x89PNG") and shot.stat().st_size > 20_000
