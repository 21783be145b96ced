"""Joining a Ray that runs: each wrong address is a sentence. No Ray is started."""

import socket

import pytest
from ray._private import services
from ray._private.utils import check_version_info, compute_version_info

from nappo2 import Learner, on_ray, scheme
from nappo2.schemes.remote.joining import NotJoined, chosen_address, located, refusal
from tests.makers.recipes import CARTPOLE_PPO


@pytest.mark.parametrize(
    ("given", "variable", "address"),
    [
        (None, None, "local"),
        (None, "", "local"),
        (None, "10.0.0.1:6379", "10.0.0.1:6379"),
        ("auto", "", "auto"),
        ("local", "10.0.0.1:6379", "local"),
    ],
)
def test_a_ray_is_joined_where_one_is_named(given, variable, address, monkeypatch):
    """An empty variable names none, and "local" is one of one's own whatever the variable says."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    if variable is not None:
        monkeypatch.setenv("RAY_ADDRESS", variable)
    assert chosen_address(given) == address


def free_port():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return held.getsockname()[1]


def test_an_address_where_nobody_listens_is_a_sentence(monkeypatch):
    """Where workers are made, as everything of Ray; the variable as the argument."""
    place = f"127.0.0.1:{free_port()}"
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    sentence = rf"no Ray listens at {place} \(Connection refused\); `ray start --head --port=\d+`"
    pipe = scheme("da2cs", CARTPOLE_PPO, on=on_ray(address=place))
    with pytest.raises(NotJoined, match=sentence):
        Learner(pipe, CARTPOLE_PPO.init(0), progress=False)
    monkeypatch.setenv("RAY_ADDRESS", place)
    pipe = scheme("da2cs", CARTPOLE_PPO, on=on_ray())
    with pytest.raises(ConnectionError, match=sentence):
        Learner(pipe, CARTPOLE_PPO.init(0), progress=False)


def test_what_is_no_address_is_refused():
    words = "an address of Ray is auto, local or HOST:PORT, not "
    with pytest.raises(ValueError, match=f"{words}'head'"):
        located("head")
    with pytest.raises(ValueError, match=f"{words}'http://127.0.0.1:8265'"):  # which is of jobs
        located("http://127.0.0.1:8265")
    with pytest.raises(
        ValueError, match=r"is of Ray's client, which cannot wait .* --num-cpus=0` makes"
    ):
        located("ray://head:10001")


def test_auto_is_the_ray_of_which_this_machine_is_a_node(monkeypatch):
    """As `ray start` has written down; another Ray that a program started for itself is not meant."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(services, "find_gcs_addresses", lambda: frozenset({"127.0.0.1:1"}))
    monkeypatch.setattr(services, "find_bootstrap_address", lambda temp_dir: "10.0.0.1:6379")
    assert located("auto") == "10.0.0.1:6379"
    monkeypatch.setattr(services, "find_bootstrap_address", lambda temp_dir: None)
    for variable in ("", "auto"):
        monkeypatch.setenv("RAY_ADDRESS", variable)
        with pytest.raises(
            NotJoined, match="this machine is a node of no Ray, and RAY_ADDRESS is not"
        ):
            located("auto")
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.2:6379")
    assert located("auto") == "10.0.0.2:6379"


@pytest.mark.parametrize("there", [("2.9.0", None), (None, "3.9.1")])
def test_a_cluster_of_other_versions_is_a_sentence(there):
    """Made of Ray's own paragraph."""
    ray_here, python_here = compute_version_info()
    ray_there, python_there = (x or y for x, y in zip(there, (ray_here, python_here), strict=True))
    cluster = {"ray_version": ray_there, "python_version": python_there}
    with pytest.raises(RuntimeError) as paragraph:
        check_version_info(cluster, "node 10.0.0.7:1")
    assert refusal("10.0.0.1:6379", str(paragraph.value)) == (
        f"the Ray at 10.0.0.1:6379 is {ray_there} with Python {python_there}, and this process has "
        f"Ray {ray_here} with Python {python_here}: both have to be the same"
    )
    assert refusal("head:1", "it sleeps.\n") == (
        "what listens at head:1 cannot be joined: it sleeps; perhaps it is no Ray, or it wants another "
        "token than this process has (RAY_AUTH_TOKEN or ~/.ray/auth_token)"
    )
