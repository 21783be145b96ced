"""Three nodes on one machine."""

import pytest

from nappo2 import Learner, ppo, workers
from nappo2.stages.recipe import batches_of, collect_of, gradients_of, update_of
from tests.makers.environments import faulty, pids
from tests.makers.recipes import SMALL_PPO
from tests.makers.stepping import step_until

pytestmark = [pytest.mark.timeout(300), pytest.mark.faults, pytest.mark.own_ray]


def test_a_cluster_of_three_nodes_survives_the_removal_of_one(tmp_path):
    """dadacs, with two learners on the first node and collectors on the others."""
    import ray
    from ray.cluster_utils import Cluster

    from nappo2 import on_ray

    assert not ray.is_initialized()
    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False}
    )
    nodes = [cluster.add_node(num_cpus=2, resources={"far": 2}) for _ in range(2)]
    ray.init(address=cluster.address, log_to_driver=False)
    try:
        recipe = ppo(faulty(tmp_path), SMALL_PPO)
        pipe = two_levels(recipe, near=on_ray(), far=on_ray(resources={"far": 0.5}))
        learner = Learner(pipe, recipe.init(0), 1, 10**9, progress=False)
        step_until(learner, lambda: learner.env_steps >= 160)
        before = pids(tmp_path)
        cluster.remove_node(nodes[0])
        step_until(learner, lambda: len(pids(tmp_path) - before) >= 1, seconds=120)
        steps = learner.env_steps
        step_until(learner, lambda: learner.env_steps >= steps + 160)
        counted = learner.params["normalizer", "observation", "moments"][0, 0]
        assert learner.env_steps == counted and learner.sums["restarts"] >= 1
        learner.close()
    finally:
        ray.shutdown()
        cluster.shutdown()


def two_levels(recipe, near, far):
    """dadacs, with its learners and collectors in different places."""
    line = collect_of(recipe) | workers(1, 1, on=far, name="collectors") | recipe.prepare
    line = line | batches_of(recipe) | gradients_of(recipe)
    return line | workers(2, on=near, name="learners") | update_of(recipe)
