"""The cookbook's recipes are short."""

import re
from pathlib import Path

PAGE = (Path(__file__).parents[2] / "docs/cookbook.md").read_text()
RECIPES = dict(re.findall(r"^## (.+?)$(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
WANTED = (
    *("PPO with an adaptive KL penalty", "AWR", "REDQ", "RND", "A curriculum"),
    *("Cloning, then PPO", "Self-imitation", "DAgger", "A critic that sees more"),
)


def test_each_recipe_of_the_cookbook_has_fewer_than_30_lines():
    code = {
        name: re.findall(r"^(?:>>>|\.\.\.)", text, re.MULTILINE) for name, text in RECIPES.items()
    }
    lines = {name: len(code[name]) for name in WANTED}
    assert all(0 < number < 30 for number in lines.values()), lines
