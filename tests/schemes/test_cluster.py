"""Three nodes on one machine, begun by ``ray start``, and joined by their address."""

import json
import os
import subprocess
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest

from nappo2 import Learner, envs, ppo, scheme
from tests.makers.commands import NAPPO2
from tests.makers.environments import faulty
from tests.makers.nodes import cluster
from tests.makers.recipes import CARTPOLE_PPO, SMALL_PPO
from tests.makers.stepping import step_until

pytestmark = [pytest.mark.timeout(600), pytest.mark.faults, pytest.mark.own_ray]

FAST, SIMULATOR = {"fast": 1.0}, {"simulator": 1.0}
"""Resources that stand for a GPU and for a CPU, of which no node has too many."""


@contextmanager
def three_nodes(each=1):
    """A head without CPUs on which two learners fit, and two nodes for some collectors each."""
    import ray

    assert not ray.is_initialized()
    with cluster() as nodes:
        nodes.add("head", fast=2)
        nodes.add("near", simulator=each)
        nodes.add("far", simulator=each)
        try:
            yield nodes
        finally:
            ray.shutdown()


def places(learner):
    """The names of the nodes on which learners are, and on which their collectors are."""
    import ray

    names = {node["NodeID"]: node["NodeName"] for node in ray.nodes()}

    def of_actor(pipe, state):
        inner = [member.worker.actor.node.remote() for member in state["collectors"].members]
        return pipe, state, (ray.get_runtime_context().get_node_id(), *ray.get(inner))

    cut = learner.state["learners"]
    each = [cut.backend.ask(member.worker, of_actor) for member in cut.members]
    return [names[x] for x, _ in each], sorted(names[x] for _, x in each)


def test_a_node_leaves_and_others_join_and_counts_stay_exact(tmp_path):
    """dadacs: learners and collectors are where their resources are, before and afterwards.

    Of the nodes that join, one has another torch: no worker begins there.
    """
    from nappo2 import on_ray

    with three_nodes() as nodes:
        of_ray = {"num_cpus": 0, "address": nodes.address, "place_deadline": 120.0}
        on = {
            "learners": on_ray(**of_ray, resources=FAST, placement="pack"),
            "collectors": on_ray(**of_ray, resources=SIMULATOR),
        }
        recipe = ppo(faulty(tmp_path), SMALL_PPO)
        pipe = scheme("dadacs", recipe, collectors=2, learners=2, on=on)
        learner = Learner(pipe, recipe.init(0), 1, 10**9, progress=False)
        step_until(learner, lambda: learner.env_steps >= 160)
        assert places(learner) == (["head", "head"], ["far", "near"])
        nodes.remove("far")
        nodes.add("old", env=with_torch(tmp_path / "old", "2.0.0"), simulator=1)
        nodes.add("new", simulator=1)
        step_until(learner, lambda: learner.sums["restarts"] >= 1)
        steps = learner.env_steps
        step_until(learner, lambda: learner.env_steps >= steps + 320)
        assert places(learner) == (["head", "head"], ["near", "new"])
        counted = learner.params["normalizer", "observation", "moments"][0, 0]
        assert learner.env_steps == counted
        print(f"\n{learner.env_steps} env steps, {learner.sums['restarts']:g} restarts")
        learner.close()


def with_torch(folder: Path, version: str) -> dict[str, str]:
    """The environment of a node whose packages say that torch is of another version."""
    described = folder / f"torch-{version}.dist-info"
    described.mkdir(parents=True)
    (described / "METADATA").write_text(f"Metadata-Version: 2.1\nName: torch\nVersion: {version}\n")
    return {"PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])}


def test_collectors_are_spread_or_packed_or_told_that_there_is_no_place(tmp_path):
    """Two nodes of three places: two collectors are on one each, or both on one; a third one waits for a
    node that joins meanwhile.
    """
    import ray

    from nappo2 import on_ray

    with three_nodes(each=3) as nodes:

        def learner(collectors=2, **options):
            of_ray = {"num_cpus": 0, "address": nodes.address, "place_deadline": 2.0}
            on = on_ray(**of_ray | {"resources": SIMULATOR} | options)
            pipe = scheme("da2cs", CARTPOLE_PPO, collectors=collectors, on=on)
            return Learner(pipe, CARTPOLE_PPO.init(0), progress=False)

        def check(num_nodes, **options):
            run = learner(**options)
            run.step()
            members = run.state["collectors"].members
            ids = ray.get([member.worker.actor.node.remote() for member in members])
            assert len(set(ids)) == num_nodes
            run.close()

        check(2, placement="spread")
        check(1, placement="strict_pack")
        whole = r".* has \d of 3 simulator, .*, head .* has no simulator free"
        words = f"3 workers find no place: each needs 1 simulator, and {whole}"
        with pytest.raises(RuntimeError, match=words):
            learner(3, placement="strict_spread")
        grown = Thread(target=nodes.add, args=["third"], kwargs={"simulator": 3})
        grown.start()
        check(3, collectors=3, placement="strict_spread", place_deadline=200.0)
        grown.join()
        with pytest.raises(
            RuntimeError, match=r"each needs 1 TPU, .* has no TPU free; no node has 1 TPU"
        ):
            learner(resources={"TPU": 1.0})
        old = with_torch(tmp_path / "old", "2.0.0")
        nodes.add("old", env=old, other=1)
        words = (
            "a worker finds no place: .*; no worker begins on the node old .*: it has torch 2.0.0"
        )
        with (
            pytest.warns(UserWarning, match="it has torch 2.0.0, and this process has torch"),
            pytest.raises(RuntimeError, match=words),
        ):
            learner(1, resources={"other": 1.0})


HOMEMADE = """
import gymnasium
from gymnasium.envs.classic_control import CartPoleEnv

class Mine(CartPoleEnv):
    pass
"""


def test_a_module_of_ones_own_travels_when_a_ray_is_joined_and_is_named_where_it_cannot(
    tmp_path, monkeypatch
):
    """The nodes do not have its folder. Who joined before brings nothing."""
    import ray

    from nappo2 import on_ray

    (tmp_path / "homemade_pole.py").write_text(HOMEMADE)
    monkeypatch.syspath_prepend(tmp_path)
    import homemade_pole

    with three_nodes() as nodes:
        on = on_ray(num_cpus=0, resources=SIMULATOR, address=nodes.address)
        recipe = ppo(envs.from_gym(homemade_pole.Mine, 2), SMALL_PPO)
        pipe = scheme("da2cs", recipe, collectors=2, on=on)
        ray.init(address=nodes.address, log_to_driver=False)
        words = (
            r"the node [\d.]+ has no module 'homemade_pole', which the pipeline needs: install it"
        )
        with pytest.raises(ModuleNotFoundError, match=words):
            Learner(pipe, recipe.init(0), progress=False)
        ray.shutdown()
        learner = Learner(pipe, recipe.init(0), progress=False)
        assert learner.step()["env_steps"] == 16
        learner.close()


@pytest.mark.parametrize("joining", ["auto", "RAY_ADDRESS"])
def test_the_command_line_joins_a_ray_that_runs(joining, tmp_path):
    """No Ray of its own would have these resources."""
    with three_nodes() as nodes:
        run = [*NAPPO2, "train", "ppo", "--env", "torch/CartPole-v1", "--num-envs", "2"]
        run += ["--num-steps", "8", "--num-minibatches", "2", "--total-steps", "320"]
        run += ["--backend", "ray", "--scheme", "dadacs", "--log-dir", "run"]
        run += ["--learner-resources", "CPU=0,fast=1", "--learner-placement", "pack"]
        run += ["--collector-resources", "CPU=0,simulator=1"]
        named = {"RAY_ADDRESS": nodes.address if joining == "RAY_ADDRESS" else ""}
        run += ["--address", "auto"] if joining == "auto" else []
        env = os.environ | nodes.environ | named
        done = subprocess.run(
            run, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=400
        )
        assert done.returncode == 0, done.stderr
        result = json.loads(done.stdout.splitlines()[-1])
        assert result["env_steps"] >= 320 and result["env_steps"] % 16 == 0
        card = json.loads((tmp_path / "run" / "run.json").read_text())
        assert card["learner_resources"] == "CPU=0,fast=1"
        assert all(process.poll() is None for process in nodes.processes.values())
