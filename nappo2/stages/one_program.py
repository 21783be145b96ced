"""``in_one_program``: a step of a pipeline as one compiled program."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import torch

from nappo2.batch import without
from nappo2.machine.compiling import compiled, with_fallback
from nappo2.machine.stop import current_stop
from nappo2.machine.threads import without_denormals
from nappo2.params import Plain, ravel
from nappo2.pipeline import Pipeline, Transform, is_of_stages, stage
from nappo2.reports import Report


@stage
def in_one_program() -> Transform:
    """Takes each step of the stages to its left as one compiled program.

    From stage to stage a pipeline hands TensorDicts, and reports what each stage did. Where rollouts are
    small, such as 4 environments of 128 steps, that takes a tenth to a fifth of the time. Within one
    program there is none of it: items cannot be looked at, and seconds are those of the whole step. Seeds,
    states and rows are those of the stages, and numbers are theirs within rounding. A step in which numbers
    are not finite is taken again stage by stage, as are all steps where nothing can be compiled, with a
    warning.

    The stages are ``collect`` of an environment in torch, estimates such as ``gae``, ``all_minibatches``,
    ``learn`` and ``scheduled``: what ``scheme("3cs", recipe)`` has of PPO, A2C, VPG and IMPALA.

    Raises:
        ValueError: where the pipeline is made, if a stage is no function of tensors; names it. Also if a
            plain function of a pipeline stands among the stages. In a step, if
            params are not on the CPU.

    Example:
        >>> recipe = ppo(envs.cartpole(4), PPO(num_steps=8, num_minibatches=2, hidden=(8,), jit=True))
        >>> scheme("3cs", recipe) | in_one_program()
        collect(num_steps=8, jit=True) | to_device | ... | learn(jit=True) | in_one_program
    """

    def transform(source):
        parts = [each.part for each in source.stages]
        if not any(each.updates for each in source.stages):
            raise ValueError(
                f"a step that is one program ends with params, so learn stands in it; this one is {source!r}"
            )
        if not is_of_stages(source):
            raise ValueError(
                "a plain function of a pipeline stands among these stages, so a step of them cannot be one "
                f"program, {source!r}; @stage makes it a stage"
            )
        for each in source.stages:
            if each.part is None:
                raise ValueError(
                    f"{each.name} is no function of tensors, so a step of it cannot be one program; "
                    "collect of an environment in torch, gae and its kin, all_minibatches, learn "
                    "without a target, and scheduled are"
                )

        def in_parts(params, state):
            begun, shape = [], None
            for part in parts:
                begun.append(part(params, state, shape))
                shape = begun[-1].shape or shape
            runs = tuple(part.run for part in begun if part.run is not None)
            inputs = tuple(part.inputs for part in begun if part.run is not None)
            vector, unravel = ravel(params["weights"])
            constants = without(params, "weights", "target", "version").to_dict()
            with without_denormals():
                outputs = iter(program(unravel, runs)(vector, constants, inputs))
            report = Report()
            for part in begun:
                given = () if part.run is None else next(outputs)
                result = part.end(params, state, given, report)
                if result is None:
                    return None
                state, params, report = result
            current_stop().arrived()  # once, not for a step that is taken again
            return state, params, report

        attempt = with_fallback(in_parts, lambda params, state: None, "a whole step")

        @torch.no_grad()
        def step(params, state):
            if not params["version"].is_cpu:
                raise ValueError(
                    "a step that is one program runs on the CPU, where environments are; these params are "
                    f"on {params['version'].device}, so leave in_one_program out"
                )
            result = attempt(params, state)
            return source.step(params, state) if result is None else result

        return Pipeline(source.init, step)

    return transform


@lru_cache(64)
def program(unravel: Callable, runs: tuple[Callable, ...]) -> Callable:
    """The functions of stages one after the other, as one program; compiled when called.

    Args:
        unravel: ``vector -> weights``.
        runs: ``(params, item, inputs) -> (item, outputs)`` of each stage.

    Returns:
        ``(vector, constants, inputs) -> outputs`` of all of them.
    """

    def run(vector, constants: Mapping, inputs: tuple) -> list[Any]:
        params = Plain({**constants, "weights": unravel(vector)})
        item, outputs = None, []
        for each, given in zip(runs, inputs, strict=True):
            item, output = each(params, item, given)
            outputs.append(output)
        return outputs

    return compiled(run)
