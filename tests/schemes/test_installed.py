"""What nodes have installed, and modules that exist on the driver alone. No Ray is started."""

import io
import json
import pickle
import platform
import sys
from importlib import metadata

import pytest
import ray
from ray import cloudpickle

from nappo2 import envs, ppo, scheme
from nappo2.schemes.remote import modules
from nappo2.schemes.remote.installed import misfit, versions
from nappo2.schemes.remote.modules import missing_module, of_actors, of_job, own_modules
from tests.makers.recipes import CARTPOLE_PPO, SMALL_PPO


def test_versions_are_those_of_the_packages_and_of_python():
    assert versions()["Python"] == platform.python_version()
    assert versions()["nappo2"] == metadata.version("nappo2")
    assert metadata.version("torch").startswith(versions()["torch"])  # without "+cpu"
    assert versions(("no-such-package",))["no-such-package"] is None


def test_a_node_is_asked_by_a_function_that_needs_no_package_there():
    needed = set()

    class Recording(pickle.Unpickler):
        def find_class(self, module, name):
            needed.add(module.partition(".")[0])
            return super().find_class(module, name)

    asked = Recording(io.BytesIO(cloudpickle.dumps(versions))).load()
    assert asked() == versions() and needed <= sys.stdlib_module_names | {"ray"}


HERE = {"Python": "3.11.7", "nappo2": "0.1.0", "torch": "2.13.0", "tensordict": "0.14.3"}
MISFITS = {
    "another": ({"torch": "2.12.1"}, "it has torch 2.12.1, and this process has torch 2.13.0"),
    "none": (
        {"nappo2": None, "tensordict": None},
        "it has no nappo2 and no tensordict, and this process has nappo2 0.1.0 and tensordict 0.14.3",
    ),
    "Python": ({"Python": "3.12.0"}, "it has Python 3.12.0, and this process has Python 3.11.7"),
}


@pytest.mark.parametrize("case", MISFITS)
def test_a_node_with_other_versions_is_a_sentence(case):
    others, words = MISFITS[case]
    sentence = f"no worker begins on the node 10.0.0.2: {words}"
    assert misfit("10.0.0.2", HERE | others, HERE) == sentence


def test_a_node_with_the_same_versions_is_none_and_one_that_is_silent_is():
    assert misfit("10.0.0.2", dict(HERE), HERE) is None
    assert (
        misfit("10.0.0.2", "it sleeps", HERE) == "no worker begins on the node 10.0.0.2: it sleeps"
    )


@pytest.fixture
def own_module(tmp_path, monkeypatch):
    """A module that this process alone has."""
    (tmp_path / "homemade.py").write_text("def reward(x):\n    return x\n")
    monkeypatch.syspath_prepend(tmp_path)
    import homemade

    yield homemade
    del sys.modules["homemade"]


def test_modules_of_ones_own_are_found_in_a_pipeline(own_module, tmp_path):
    """By a function of theirs, and by an id of Gymnasium; packages that are installed are none."""
    path = [str(tmp_path / "homemade.py")]
    recipe = ppo(envs.cartpole(2)._replace(save=own_module.reward), SMALL_PPO)
    assert own_modules(cloudpickle.dumps(scheme("2dacs", recipe))) == path
    assert own_modules(pickle.dumps("homemade:Walk-v0")) == path
    assert own_modules(cloudpickle.dumps(scheme("2dacs", CARTPOLE_PPO))) == []


def test_modules_of_ones_own_travel_unless_their_folder_does():
    assert of_job(None, ["a.py"]) == {"py_modules": ["a.py"]}
    assert of_job({"pip": ["x"]}, ["a.py"]) == {"py_modules": ["a.py"]}  # pip is of the actors
    assert of_job({"working_dir": "."}, ["a.py"]) == {"working_dir": "."}
    assert of_job(None, []) == {}


def test_the_folder_of_a_job_that_was_submitted_has_them_already(monkeypatch):
    job = {"runtime_env": {"working_dir": "gcs://_ray_pkg_1.zip"}}
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", json.dumps(job))
    assert of_job(None, ["a.py"]) == {}


def test_folders_of_the_driver_travel_with_the_job_alone(monkeypatch):
    """Actors inherit them; where the job has none, it joined without."""
    context = type("Context", (), {"runtime_env": {"working_dir": "gcs://_ray_pkg_1.zip"}})
    monkeypatch.setattr(ray, "get_runtime_context", context)
    assert of_actors({"working_dir": ".", "pip": ["x"]}) == {"pip": ["x"]}
    assert of_actors({"working_dir": "."}) is None and of_actors(None) is None
    assert of_actors({"py_modules": ["s3://b/x.zip"]}) == {"py_modules": ["s3://b/x.zip"]}
    with pytest.raises(ValueError, match="py_modules of runtime_env is a folder of this machine"):
        of_actors({"py_modules": ["homemade"]})


def test_a_module_that_a_node_lacks_is_a_sentence(monkeypatch):
    """Once, also where the worker of a worker lacks it."""
    monkeypatch.setattr(modules.ray.util, "get_node_ip_address", lambda: "10.0.0.2")
    error = missing_module(ModuleNotFoundError("No module named 'homemade'", name="homemade.walk"))
    assert str(error).startswith(
        "the node 10.0.0.2 has no module 'homemade', which the pipeline needs: install it there, or"
    )
    assert error.name == "homemade" and missing_module(error) is error
