"""A step as one program, which is the step of its stages."""

import pytest
import torch
from gymnasium.spaces import Box, Discrete

from nappo2 import (
    A2C,
    PPO,
    Learner,
    a2c,
    clamp,
    collect_of,
    envs,
    in_one_program,
    learn_of,
    map_items,
    ppo,
    ravel,
    scheme,
)
from nappo2.envs import physics_env
from nappo2.stages import one_program
from tests.makers.denormals import check_no_denormals, flat

SHORT = {"num_steps": 10, "hidden": (8,), "jit": True}
LONG = pytest.mark.learning  # as compiling takes long
RECIPES = {
    "ppo": lambda: ppo(envs.cartpole(4, time_limit=12), PPO(num_minibatches=4, **SHORT)),
    "eight rows": lambda: ppo(  # as many as a block of a recurrence has
        envs.cartpole(4, time_limit=12), PPO(num_minibatches=2, **{**SHORT, "num_steps": 8})
    ),
    "annealed": lambda: ppo(
        envs.pendulum(4, time_limit=7), PPO(num_minibatches=4, anneal_updates=200, **SHORT)
    ),
    "stopped early": lambda: ppo(
        envs.cartpole(4), PPO(num_minibatches=4, target_kl=1e-6, normalize=False, **SHORT)
    ),
    "standardized": lambda: ppo(
        envs.four_rooms(4, time_limit=5),
        PPO(num_minibatches=2, num_epochs=2, standardize_rollout=True, **SHORT),
    ),
    "a2c": lambda: a2c(envs.cartpole(4, time_limit=12), A2C(**SHORT)),
}


@pytest.fixture
def uncompiled(monkeypatch):
    """Has the program be traced, but not compiled, which takes less long for a few steps."""
    options = {"backend": "eager", "fullgraph": True, "dynamic": False, "isolate_recompiles": True}
    monkeypatch.setattr(one_program, "compiled", lambda fn: torch.compile(fn, **options))
    one_program.program.cache_clear()
    yield
    one_program.program.cache_clear()


def both(recipe, num_steps=3):
    """Two Learners after some steps: in one program, and stage by stage without compiling."""
    learners = []
    for own, last in ((recipe, [in_one_program()]), (recipe.replace(jit=False), [])):
        pipe = scheme("3cs", own)
        for stage in last:
            pipe = pipe | stage
        learner = Learner(pipe, own.init(0), target_steps=10**6, progress=False)
        for _ in range(num_steps):
            learner.step()
        learners.append(learner)
    return learners


def check_same(ours, theirs):
    """Params within 1e-5, seeds to the last bit, and all columns of all rows but times and events."""
    for name in ("weights", "normalizer"):
        if not ours.params[name].is_empty():
            mine, others = (ravel(x.params[name])[0] for x in (ours, theirs))
            torch.testing.assert_close(mine, others, atol=1e-5, rtol=1e-5)
    assert ours.params["version"] == theirs.params["version"]
    assert ours.params["hyper"].to_dict() == theirs.params["hyper"].to_dict()
    assert ours.state["collect"].seed == theirs.state["collect"].seed
    assert ours.state["minibatches"].seed == theirs.state["minibatches"].seed
    for mine, others in zip(ours.metrics, theirs.metrics, strict=True):
        mine, others = (
            {k: x for k, x in row.items() if "second" not in k and k != "event"}
            for row in (mine, others)
        )
        assert mine.keys() == others.keys()
        for name, x in mine.items():
            assert x == pytest.approx(others[name], abs=1e-4, rel=1e-3, nan_ok=True), name


@pytest.mark.parametrize("name", RECIPES)
def test_a_step_in_one_program_is_the_step_of_its_stages(name, uncompiled, strict):
    check_same(*both(RECIPES[name]()))


def test_the_mean_of_no_gradient_ends_at_zero_in_one_program(uncompiled, strict):
    recipe = RECIPES["ppo"]()
    recipe = recipe.replace(loss=flat(recipe.loss))
    check_no_denormals(scheme("3cs", recipe) | in_one_program(), recipe.init(0))


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", [pytest.param(name, marks=LONG) for name in RECIPES])
def test_a_compiled_step_is_the_step_of_its_stages(name, strict):
    check_same(*both(RECIPES[name]()))


def test_a_run_in_one_program_is_resumed_and_adopted(uncompiled, strict, tmp_path):
    """Two and two steps are four; the third and fourth stage by stage are so within 1e-5."""
    recipe = RECIPES["ppo"]()
    pipe, params = scheme("3cs", recipe) | in_one_program(), recipe.init(0)
    given = {"target_steps": 10**6, "progress": False}
    whole = Learner(pipe, params, **given)
    for _ in range(4):
        whole.step()
    first = Learner(pipe, params, log_dir=tmp_path / "run", checkpoint_every=10**6, **given)
    first.step(), first.step()

    first.save()
    first.close()
    second = Learner(pipe, params, **given)
    second.resume(tmp_path / "run")
    second.step(), second.step()
    assert torch.equal(*(ravel(x.params["weights"])[0] for x in (whole, second)))
    third = Learner(pipe, params, **given)
    third.step(), third.step()
    third.adopt(scheme("3cs", recipe.replace(jit=False)))
    third.step(), third.step()
    check_same(whole, third)


def test_only_functions_of_tensors_are_one_program():
    """A stage of one's own may do anything, and a simulator is none: both are named."""
    recipe = RECIPES["ppo"]()
    halved = map_items(lambda params, rollout: rollout[:5], "halved")
    with pytest.raises(
        ValueError, match="halved is no function of tensors, so a step of it cannot"
    ):
        collect_of(recipe) | recipe.prepare | halved | learn_of(recipe) | in_one_program()
    recipe = ppo(envs.from_gym("CartPole-v1", 4), PPO(num_minibatches=2, **SHORT))
    with pytest.raises(ValueError, match="collect is no function of tensors"):
        scheme("3cs", recipe) | in_one_program()
    recipe = RECIPES["ppo"]()
    with pytest.raises(
        ValueError, match="ends with params, so learn stands in it; this one is coll"
    ):
        collect_of(recipe) | recipe.prepare | in_one_program()


def test_params_on_another_device_are_refused():
    recipe = RECIPES["ppo"]()
    pipe, params = scheme("3cs", recipe) | in_one_program(), recipe.init(0)
    with pytest.raises(ValueError, match="these params are on meta, so leave in_one_program out"):
        pipe.step(params.to("meta"), pipe.init(params, 0))


def breaking(non_finite):
    """PPO where the third step of an episode is worth infinitely much."""

    def step(physics, action):
        reward = torch.where(physics[:, 0] == 2, torch.inf, 1.0).float()
        return physics + 1, reward, physics[:, 0] > 20

    env = physics_env(
        "breaking",
        4,
        lambda num, rng: torch.zeros(num, 1),
        step,
        lambda physics: physics.float(),
        100,
        Box(0, 100, (1,)),
        Discrete(2),
    )
    config = PPO(num_minibatches=4, normalize=False, **SHORT)
    return ppo(env, config).replace(non_finite=non_finite)


def test_a_step_with_numbers_that_are_not_finite_is_taken_stage_by_stage(uncompiled, strict):
    """Infinite rewards are clamped as ever, and counted; without that their place is told."""
    ours, theirs = both(breaking(clamp(10.0)), num_steps=1)
    check_same(ours, theirs)
    assert ours.metrics[0]["non_finite"] == 4
    recipe = breaking(RECIPES["ppo"]().non_finite)
    pipe = scheme("3cs", recipe) | in_one_program()
    with pytest.raises(ValueError, match="breaking gave a reward that is not finite"):
        pipe.step(recipe.init(0), pipe.init(recipe.init(0), 0))


def test_where_a_step_cannot_be_compiled_it_goes_on_stage_by_stage(monkeypatch):
    def broken(*args):
        raise RuntimeError("no C++ compiler")

    monkeypatch.setattr(one_program, "program", broken)
    recipe = RECIPES["ppo"]()
    one = scheme("3cs", recipe.replace(jit=False))
    with pytest.warns(match="a whole step cannot be compiled here"):
        ours = (one | in_one_program()).step(recipe.init(0), one.init(recipe.init(0), 0))
    theirs = one.step(recipe.init(0), one.init(recipe.init(0), 0))
    assert (ours[1] == theirs[1]).all()


@pytest.mark.parametrize("place", ["between", "last"])
def test_a_plain_function_of_a_pipeline_is_no_part_of_a_program(place):
    """As it has no stage, it would be left out."""

    def plain(source):
        return source._replace(step=lambda params, state: source.step(params, state))

    recipe = RECIPES["ppo"]()
    line = collect_of(recipe) | recipe.prepare
    line = (
        line | plain | learn_of(recipe) if place == "between" else line | learn_of(recipe) | plain
    )
    with pytest.raises(
        ValueError, match="a plain function of a pipeline stands among these stages"
    ):
        line | in_one_program()
