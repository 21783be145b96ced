"""Writes a trained agent as a file for other programs."""

from pathlib import Path

import torch

from nappo2.checks import checked
from nappo2.envs import Env
from nappo2.exporting.exported import Exported, about
from nappo2.exporting.formats import Format, check_file
from nappo2.exporting.packages import versions_of
from nappo2.exporting.parity import Parity, compare
from nappo2.exporting.program import Program, trace
from nappo2.exporting.trial import action_leaves
from nappo2.params import Params, Plain, beside_environments
from nappo2.pipeline import positive
from nappo2.policies import Policy
from nappo2.policies.fitting import check_acts
from nappo2.runs.learner import Learner
from nappo2.saving.log_dir import folder_of, write_whole
from nappo2.saving.outputs import whole_file
from nappo2.show import SavedRun, load_run
from nappo2.stages import Recipe
from nappo2.trained import TrainedAgent, env_again, load

TOLERANCE = 1e-5
"""The largest difference that a file may have from its policy."""


@checked
def export(
    run: str | Path | Learner | SavedRun | TrainedAgent,
    path: str | Path,
    *,
    policy: Policy | None = None,
    env: Env | None = None,
    recipe: Recipe | None = None,
    member: int | None = None,
    num_observations: int = 1000,
) -> Exported:
    """Exports the agent of a run to a file ``.onnx``, ``.pt2`` or ``.safetensors``.

    The file takes observations as the bare environment gives them, in batches of any size, and returns
    actions of the environment's own space. It normalises by itself. An agent with a memory also takes
    the memory and returns the next one.

    Args:
        run: the folder of a run, a file of params within it such as ``best.npz``, a Learner, what
            ``load_run`` gave, or a ``TrainedAgent``.
        path: of the file, whose suffix says the format.
        policy: how to act; None for the agent's greedy one. The ``policy`` of a recipe acts as in
            training: the file then takes noise as further inputs, and says of which law.
        env: whose observations the file takes and in which it is compared; None for that of the run.
        recipe: that trained the agent; None if it is one of nappo2's, with networks of its own.
        member: which agent of a population.
        num_observations: on which file and policy are compared.

    Returns:
        What the file takes and returns, and how far it is from the policy. It is also written
        beside the file, as ``path`` with ``.json``.

    Raises:
        ImportError: if a package is missing; says how to install it.
        ValueError: for another suffix, a path at which there can be no file, a run whose recipe or
            environment has to be given, a policy that cannot be traced, or a file that differs from
            the policy by more than 1e-5.

    Example:
        >>> import tempfile
        >>> recipe = ppo(envs.cartpole(4), PPO(num_steps=8, num_minibatches=2, hidden=(8,)))
        >>> learner = Learner(scheme("3cs", recipe), recipe.init(0), target_steps=64, progress=False).run()
        >>> _ = export(learner, tempfile.mkdtemp() + "/agent.safetensors")
    """
    check_file(path)
    agent = run if isinstance(run, TrainedAgent) else load(run, recipe=recipe, member=member)
    env = env or _env_of(run, agent)
    policy, name = policy or agent.recipe.greedy, agent.recipe.name
    return export_policy(env, policy, agent.params, path, name, num_observations)


def _env_of(run: str | Path | Learner | SavedRun | TrainedAgent, agent: TrainedAgent) -> Env:
    """The environment of a run in memory; that of a run on disk is made again."""
    if isinstance(run, (Learner, TrainedAgent)):
        return agent.recipe.env
    if isinstance(run, SavedRun):
        return env_again(run.description)
    return env_again(load_run(folder_of(run)).description)


@checked
def export_policy(
    env: Env,
    policy: Policy,
    params: Params,
    path: str | Path,
    name: str = "policy",
    num_observations: int = 1000,
    seed: int = 0,
) -> Exported:
    """``export`` of a policy with params, without a run.

    Args:
        env: in which it acts.
        policy: how to act.
        params: of the policy.
        path: of the file, whose suffix says the format.
        name: of the recipe or policy, which the file keeps.
        num_observations: on which file and policy are compared.
        seed: of the comparison.

    Returns:
        What the file takes and returns, and how far it is from the policy.

    Raises:
        ImportError: if a package is missing; says how to install it.
        ValueError: for another suffix, a path at which there can be no file, a policy that cannot be
            traced, or a file that differs from the policy by more than 1e-5.
    """
    positive(num_observations=num_observations)
    path, plain = Path(path), Plain(beside_environments(params).to_dict())
    file_format = check_file(path)
    zeros, memory = env.observation_spec.zeros(env.num_envs), policy.init(env.num_envs, 0)
    check_acts(env, policy, plain, zeros, memory)
    program = trace(env, policy, plain)
    with whole_file(path) as unfinished:
        file_format.write(program, about(env, name, program), unfinished)
        run = file_format.open(unfinished, program)
        parity = compare(env, policy, plain, program, run, num_observations, seed)
        check_parity(env, path, parity)
    exported = described(env, name, path, program, parity, file_format)
    write_whole(path.with_name(f"{path.name}.json"), exported.as_json())
    return exported


def described(
    env: Env, name: str, path: Path, program: Program, parity: Parity, file_format: Format
) -> Exported:
    """What is said of a file.

    Args:
        env: whose observations and actions it has.
        name: of the recipe.
        path: of the file.
        program: its inputs and outputs.
        parity: its comparison with the policy.
        file_format: of the file.

    Returns:
        The value that ``export`` returns.
    """
    versions = versions_of(("nappo2", "torch", "numpy", *file_format.packages))
    return Exported(path, name, env.name, program.inputs, program.outputs, parity, versions)


def check_parity(env: Env, path: Path, parity: Parity) -> None:
    """Refuses a file that differs from its policy.

    Args:
        env: whose actions they are.
        path: of the file.
        parity: the comparison.

    Raises:
        ValueError: if they differ by more than 1e-5, or than the precision of the actions.
    """
    zero = env.action_spec.in_space(env.action_spec.zeros(1))
    floats = [x.dtype for _, x in action_leaves(zero) if x.is_floating_point()]
    limit = max(TOLERANCE, *(torch.finfo(dtype).eps for dtype in floats), 0.0)
    if not parity.difference <= limit:
        raise ValueError(
            f"{path.name} would differ from the policy by {parity.difference:.1e} on "
            f"{parity.num_observations:,} observations, and {limit:.0e} is the most; nothing was "
            "written, and a network that draws or counts by itself may be the reason"
        )
