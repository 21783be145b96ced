"""What ``check_env`` says of recipes that go with an environment, of its masks, and of its infos."""

from collections.abc import Iterator

import torch
from torch import Tensor

from nappo2.envs import Env, counted
from nappo2.envs.masks import has_mask
from nappo2.maths.masks import mask_of
from nappo2.recipes.fit import check_env
from nappo2.recipes.table import TABLE
from nappo2.reports import SUCCESS
from nappo2.show.env_report import BAD, GOOD, NOTE, Finding
from nappo2.show.trials import Episode
from nappo2.stages.collecting.forbidden import allows


def fitting_recipes(env: Env) -> Finding:
    """Which recipes go with the spaces of an environment, and why others do not."""
    fitting, reasons = [], {}
    for name, compatible in TABLE.items():
        try:
            check_env(name, compatible, env)
            fitting.append(name)
        except (ValueError, NotImplementedError) as error:
            reasons[name] = str(error).partition("; fitting ")[0].removeprefix(f"{name} ")
    if not fitting:
        return Finding("recipes", BAD, f"none goes with it: {next(iter(reasons.values()))}")
    others = {text: [name for name, x in reasons.items() if x == text] for text in reasons.values()}
    texts = [f"{', '.join(names)}: {text}" for text, names in others.items()]
    return Finding("recipes", GOOD, "; ".join([", ".join(fitting), *texts]))


def masks(env: Env, episode: Episode) -> Iterator[Finding]:
    """What the masks of an environment allow; none if it has no masks."""
    if not has_mask(env):
        return
    mask = torch.stack([mask_of(x) for x in episode.observations[:-1]])
    fine = allows(env.action_spec.sizes, mask)
    if not fine.all():
        t, b = fine.logical_not().nonzero()[0].tolist()
        message = (
            f"environment {b} forbids every action before step {t}; a mask allows at least one"
        )
        yield Finding("masks", BAD, message)
    elif mask.all():
        yield Finding("masks", NOTE, f"all actions were allowed in all of {len(mask)} steps")
    else:
        num, least = mask.shape[-1], int(mask.sum(-1).min())
        text = (
            f"{mask.float().mean():.0%} of actions were allowed, at least {least} of {num} at once"
        )
        yield Finding("masks", GOOD, text)


def told_of_episodes(episode: Episode) -> Iterator[Finding]:
    """What is told of episodes that end, as numbers; none if nothing is."""
    over = torch.stack([counted(x).over for x in episode.transitions])
    names = dict.fromkeys(name for x in episode.transitions for name in x.info)
    for name in names:
        values = torch.cat(
            [x.info[name][counted(x).over] for x in episode.transitions if name in x.info]
        )
        values = values[~values.isnan()]
        yield _told(name, values, int(over.sum()))


def _told(name: str, values: Tensor, num_episodes: int) -> Finding:
    if not len(values):
        return Finding("infos", NOTE, f"none of {num_episodes} episodes told {name}")
    spread = f"mean {values.float().mean():.3g} in [{values.min():.3g}, {values.max():.3g}]"
    message = f"{len(values)} of {num_episodes} episodes told {name}: {spread}"
    if name == SUCCESS and not ((values >= 0) & (values <= 1)).all():
        return Finding("infos", NOTE, f"{message}; a success is 1, and a failure 0")
    return Finding("infos", GOOD if len(values) == num_episodes else NOTE, message)
