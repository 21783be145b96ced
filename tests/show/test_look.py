"""What objects look like, as text and as HTML."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tensordict import TensorDict

from nappo2 import (
    PPO,
    Learner,
    collect,
    envs,
    first,
    load_run,
    look,
    population,
    ppo,
    recipes,
    sac,
    scheme,
    workers,
)
from nappo2.pipeline import stage
from nappo2.runs.evaluate import Evaluation
from nappo2.schemes import SCHEMES, TAKES, serial
from nappo2.show._diagram import diagram
from nappo2.show.captions import cut_of
from nappo2.stages.recipe import collect_of
from tests.makers.recipes import scheme_arguments

RECIPE = ppo(envs.cartpole(4), PPO(num_steps=32, num_minibatches=2, hidden=(8,)))
PARAMS = RECIPE.init(0)


def words(html):
    """The text that a reader sees, with one blank between the pieces."""
    return " ".join(re.sub("<[^>]*>", " ", html).split())


@pytest.mark.parametrize("name", SCHEMES)
def test_a_scheme_is_drawn_with_all_its_stages_and_a_frame_for_each_cut(name):
    pipe = scheme(name, RECIPE, **scheme_arguments(name, collectors=4, learners=2))
    html, cuts = pipe._repr_html_(), [s for s in pipe.stages if s.kind == "workers"]
    for record in pipe.stages:
        assert record.name in words(html)
    assert (
        html.count("waits for") == len(cuts) == len({"collectors", "learners"} & set(TAKES[name]))
    )
    assert "params" in words(html)


@pytest.mark.parametrize(
    ("name", "waits"),
    [("3ds", ["all 2"]), ("2dacs", ["all 2"]), ("2daca", ["1 of 2"]), ("da2cs", ["1 of 4"]),
     ("ds2cs", ["all 4"]), ("ds2ds", ["all 2", "all 2"]), ("dsdaca", ["all 2", "1 of 2"]),
     ("dadacs", ["1 of 2", "all 2"]), ("dadaca", ["1 of 2", "1 of 2"])],
)  # fmt: skip
def test_each_cut_says_for_how_many_it_waits(name, waits):
    """Four collectors of two learners are two of each."""
    drawn = words(diagram(scheme(name, RECIPE, **scheme_arguments(name, collectors=4, learners=2))))
    assert re.findall(r"waits for (all \d|\d of \d)", drawn) == waits


def test_a_cut_says_where_its_workers_are_and_what_else_they_do():
    far = serial._replace(remote=True)
    pipe = collect_of(RECIPE) | workers(8, 6, ahead=1, preempt=0.5, on=far)
    assert cut_of(pipe.stages[-1]) == (
        "workers", 8, "8", "in processes of Ray", "6 of 8", "1 ahead, rest at 50%", False
    )  # fmt: skip
    assert "params" not in words(diagram(pipe))  # of rollouts, nothing goes back


def test_looking_starts_no_work():
    """A backend that can do nothing is looked at, as are workers that may not be asked."""

    def never(*args):
        raise AssertionError("looking called a worker")

    fields = dict.fromkeys(("spawn", "put", "call", "ask", "preempt", "wait", "get"), never)
    silent = serial._replace(**fields, remote=True)
    pipe = scheme("dadaca", RECIPE, collectors=4, learners=2, on=silent)
    learner = Learner(scheme("da2cs", RECIPE), PARAMS, progress=False)
    learner.pipeline = pipe
    cut = learner.state["collectors"]
    learner.state["collectors"] = cut._replace(backend=silent)
    for x in (pipe, learner, learner.state, RECIPE):
        assert repr(x) and repr(look(x)) and look(x)._repr_html_()
    assert "2 workers, 0 calls under way" in repr(look(learner.state))


def test_params_are_a_tree_with_shapes_and_sizes():
    """8 x 4 floats of 4 bytes are 128 bytes."""
    shown = repr(look(PARAMS))
    assert re.search(r"weights\n +actor\n +0\n +weight +\[8, 4\] +float32 +128 B ", shown)
    assert re.search(r"clip_eps +\[\] +float32 +4 B +0.2", shown) and "not finite" not in shown


def test_what_is_not_finite_stands_out():
    broken = TensorDict({"a": {"b": torch.tensor([1.0, float("nan"), float("inf")])}})
    assert "not finite: a.b" in repr(look(broken))
    assert "<b>  b  [3]    float32  12 B  2 of 3 are not finite</b>" in look(broken)._repr_html_()


def test_a_population_is_drawn_with_the_number_of_its_members():
    many = population(sac(envs.pendulum(1)), 8)
    drawn = words(look(many).html)
    assert "members of 8 members replay capacity 1e+06" in drawn and "learn_members" in drawn
    assert repr(scheme("3cs", many)).endswith("learn_members (1 updates per transition)")


def test_a_step_of_a_prefix_shows_what_came_out():
    """32 steps of 4 environments are 128 env steps."""
    rollouts = collect_of(RECIPE) | RECIPE.prepare
    found = first(rollouts, PARAMS)
    assert found.item.batch_size == (32, 4) and found.report.sums["env_steps"] == 128
    assert repr(found).startswith("batch size [32, 4], 12 leaves, ")
    assert "advantage" in words(found._repr_html_()) and "env_steps" in repr(found)


def test_a_config_says_what_differs():
    shown = repr(look(PPO(clip_eps=0.1)))
    assert "PPO: nearest preset: ppo, default; different: clip_eps" in shown
    assert re.search(r"clip_eps +0.1 +0.2 +bound on the change of probability ratios", shown)
    assert "PPO: the preset ppo, default" in repr(look(PPO()))


def test_an_environment_an_evaluation_and_a_report_say_what_they_are():
    assert repr(envs.cartpole(3)).startswith("3 x cartpole: Box([-4.8 -inf")
    found = Evaluation(torch.tensor([1.0, 3.0]), torch.tensor([10.0, 20.0]))
    assert repr(found) == "2.0 ± 1.0 (2 episodes)"
    assert re.search(r"return +2.0 +1.0 +1.0 +3.0", words(found._repr_html_()))


def test_text_is_escaped_whoever_gave_it():
    evil = envs.cartpole(2)._replace(name="<script>alert(1)</script>")
    pipe = collect(evil, RECIPE.policy, 8) | workers(2, name="<b>")
    for x in (evil, pipe, "<script>", {"<script>": torch.ones(1)}, SimpleNamespace(a="<script>")):
        html = look(x)._repr_html_()
        assert "<script" not in html and "<b>" not in html


def test_what_is_shown_is_small_and_needs_nothing_from_elsewhere():
    """50 KB at most, even of a thousand leaves, without scripts or addresses."""
    wide = TensorDict({f"leaf{i}": torch.ones(3) for i in range(5_000)})
    learner = Learner(scheme("dadaca", RECIPE), PARAMS, target_steps=512, progress=False)
    for _ in learner:
        pass
    big = sac(envs.pendulum(2))
    for x in (wide, learner, big, big.init(0), PPO(), RECIPE.policy, "x" * 10**6):
        html = look(x)._repr_html_()
        assert len(html.encode()) <= 50_000 and "<script" not in html
        assert not re.search(r"(?<!xmlns=\")https?://", html)


def test_a_learner_shows_how_far_it_came():
    learner = Learner(scheme("3cs", RECIPE), PARAMS, target_steps=256, progress=False)
    assert "0% of 256 env steps; may go on" in words(learner._repr_html_())
    for _ in learner:
        pass
    shown = words(learner._repr_html_())
    assert "256 env steps, 40 updates" in shown and "100% of 256 env steps; done" in shown


def test_stages_say_which_schemes_they_go_with():
    assert f"ppo, for {', '.join(SCHEMES)}" in words(RECIPE._repr_html_())
    assert repr(RECIPE).startswith("ppo: collect(num_steps=32) | to_device | gae")


@pytest.mark.parametrize("name", recipes.RECIPES)
def test_the_configuration_of_every_recipe_can_be_looked_at(name):
    """Also where it has a batch_size, as tensors have one."""
    config = recipes.preset(name, "default").config
    assert "the preset" in repr(look(config)) and "learning_rate" in look(config).html


ARGUMENTS = (
    torch.zeros(3), torch.ones(()), TensorDict(a=torch.zeros(2), batch_size=[2]), np.zeros((2, 2)),
    [1, 2], None, "text", {}, PARAMS, lambda x: x,
)  # fmt: skip


@pytest.mark.parametrize("argument", ARGUMENTS, ids=lambda x: type(x).__name__)
def test_a_stage_of_any_argument_can_be_printed(argument):
    @stage
    def own(thing, num=3):
        return lambda source: source

    pipe = collect_of(RECIPE) | own(argument)
    assert repr(pipe).endswith("| own(num=3)") and "own" in look(pipe).html


def test_a_run_from_disk_is_shown_as_a_run(tmp_path):
    """By where it ended, its curve and its settings, not by each of its numbers."""
    run = Learner(scheme("3cs", RECIPE), PARAMS, target_steps=800, log_dir=tmp_path, progress=False)
    run.run()
    found = load_run(tmp_path)
    assert repr(look(found)) == repr(found) and len(repr(found).splitlines()) == 1
    assert found._repr_html_().count("<tr") < 60
