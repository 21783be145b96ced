"""Places for workers: what fits where, and the sentences where nothing does. No Ray is started."""

import pytest

from nappo2 import on_ray, scheme, serial
from nappo2.schemes.remote import nodes
from nappo2.schemes.remote.nodes import Node, all_needs, fit, name_of, no_place, num_fitting
from nappo2.schemes.remote.places import elsewhere
from tests.makers.recipes import CARTPOLE_PPO

CPU, GPU = {"CPU": 1.0}, {"GPU": 1.0}


def test_all_find_room_only_where_each_fits_on_one_node():
    """Two nodes of one CPU have two in all, and none for a worker of two."""
    rooms = [{"CPU": 1.0}, {"CPU": 1.0, "GPU": 1.0}]
    assert fit([CPU, CPU], rooms) and fit([GPU, CPU, CPU], rooms)
    assert not fit([{"CPU": 2.0}], rooms)
    assert num_fitting([CPU], rooms) == 2 and num_fitting([CPU, GPU], rooms) == 1
    assert num_fitting([{"CPU": 0.1}], [{"CPU": 1.0}]) == 10  # whatever floats make of it
    assert not fit([CPU, CPU, CPU], rooms) and not fit([GPU, GPU], rooms)


def test_each_cut_needs_what_its_own_workers_need():
    """Two learners with a GPU each, and of four collectors two for each, without."""
    on = {"collectors": on_ray(), "learners": on_ray(num_cpus=0, num_gpus=1)}
    pipe = scheme("dadacs", CARTPOLE_PPO, collectors=4, learners=2, on=on)
    (cut,) = [stage.cut for stage in pipe.stages if stage.name == "learners"]
    index = [stage.name for stage in pipe.stages].index("learners")
    source = pipe._replace(stages=pipe.stages[:index])
    assert all_needs(source, 2, cut.needs) == [GPU, GPU, CPU, CPU, CPU, CPU]


NODES = [
    Node("a", "10.0.0.1", {"CPU": 4.0}, {"CPU": 1.0}),
    Node("b", "cpu-2 (10.0.0.2)", {"CPU": 8.0, "GPU": 2.0}, {"CPU": 8.0, "GPU": 0.5}),
]
SENTENCES = {
    "nobody has it": (
        [{"TPU": 1.0}] * 2,
        "2 workers find no place: each needs 1 TPU, and 10.0.0.1 has no TPU, cpu-2 (10.0.0.2) has no "
        "TPU free; no node has 1 TPU",
    ),
    "others have it": (
        [GPU],
        "a worker finds no place: it needs 1 GPU, and cpu-2 (10.0.0.2) has 0.5 of 2 GPU, 10.0.0.1 has "
        "no GPU free; the workers of a Learner that is no longer needed go with learner.close()",
    ),
    "they would fit on one": (
        [CPU, CPU, CPU],
        "3 workers find no place: each needs 1 CPU, and cpu-2 (10.0.0.2) has 8 of 8 CPU, 10.0.0.1 has 1 "
        "of 4 CPU free; there is room for all, but not by placement='strict_spread'",
    ),
    "two kinds": (
        [GPU, GPU, {"CPU": 9.0}],
        "3 workers find no place: 2 need 1 GPU and 1 needs 9 CPU, and cpu-2 (10.0.0.2) has 8 of 8 CPU "
        "and 0.5 of 2 GPU, 10.0.0.1 has 1 of 4 CPU and no GPU free; no node has 9 CPU",
    ),
}


@pytest.mark.parametrize("case", SENTENCES)
def test_who_finds_no_place_is_told_what_is_needed_and_what_there_is(case, monkeypatch):
    each, sentence = SENTENCES[case]
    monkeypatch.setattr(nodes, "nodes", lambda refused=(): NODES)
    assert no_place(each, {}, "strict_spread") == sentence
    assert no_place(each, {"c": "the node c is not like this one"}, "strict_spread") == (
        f"{sentence}; the node c is not like this one"
    )


def test_a_node_is_named_by_its_address_and_by_a_name_of_its_own():
    node = {"NodeManagerAddress": "10.0.0.2", "NodeName": "10.0.0.2"}
    assert name_of(node) == "10.0.0.2"
    assert name_of(node | {"NodeName": "cpu-2"}) == "cpu-2 (10.0.0.2)"


def test_nodes_that_are_left_out_are_said_to_ray_by_their_names():
    assert elsewhere({"b": "", "a": ""}) == {"ray.io/node-id": "!in(a, b)"}


def test_a_placement_needs_something_to_reserve_and_is_no_second_strategy():
    with pytest.raises(ValueError, match="with num_cpus=0 a worker needs none"):
        on_ray(0, placement="spread")
    with pytest.raises(ValueError, match="is a scheduling_strategy of its own"):
        on_ray(placement="pack", scheduling_strategy="SPREAD")
    with pytest.raises(ValueError, match="placement is 'spread' or 'pack'"):
        on_ray(placement="wide")


def test_each_cut_may_have_a_backend_of_its_own():
    """By its name; a cut without one is in this process."""
    pipe = scheme("dadacs", CARTPOLE_PPO, on={"collectors": "ray"})
    remote = {stage.name: stage.cut.remote for stage in pipe.stages if stage.cut is not None}
    assert remote == {"collectors": True, "learners": False}
    same = scheme("dadacs", CARTPOLE_PPO, on={"collectors": serial, "learners": "serial"})
    assert [x.cut for x in same.stages] == [x.cut for x in scheme("dadacs", CARTPOLE_PPO).stages]
    with pytest.raises(ValueError, match="for 'learners', and the cuts of da2cs are collectors"):
        scheme("da2cs", CARTPOLE_PPO, on={"learners": serial})
    with pytest.raises(ValueError, match="on is serial or ray, not 'rai'"):
        scheme("da2cs", CARTPOLE_PPO, on={"collectors": "rai"})
