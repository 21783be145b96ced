"""The options of workers on Ray. None is started."""

import pytest

from nappo2.cli.train_options import Train
from nappo2.cli.worker_options import backends_of, places_of, resources_of
from nappo2.schemes import serial


def test_resources_are_amounts_by_name():
    assert resources_of("--x", "CPU=2, GPU=0.5,simulator=1") == {
        "CPU": 2.0,
        "GPU": 0.5,
        "simulator": 1.0,
    }
    assert resources_of("--x", "") == {}


@pytest.mark.parametrize(
    "text", ["GPU", "GPU=", "=1", "GPU=many", "GPU=-1", "GPU=inf", "GPU=nan", ","]
)
def test_what_is_no_amount_is_refused(text):
    with pytest.raises(
        ValueError, match=r"--x is of amounts by name, such as CPU=1,GPU=0.5, not '"
    ):
        resources_of("--x", text)


def test_each_stage_has_resources_of_its_own():
    """A CPU for each worker unless something else is said."""
    given = {"scheme": "dadacs", "backend": "ray", "learner_resources": "GPU=1,fast=2"}
    options = Train(None, **given, collector_placement="spread")
    learner = {"num_cpus": 1.0, "num_gpus": 1.0, "resources": {"fast": 2.0}, "placement": None}
    assert places_of(options, "learners") == learner
    collector = {"num_cpus": 1.0, "num_gpus": 0.0, "resources": None, "placement": "spread"}
    assert places_of(options, "collectors") == collector
    on = backends_of(options)
    assert on["learners"].needs == {"CPU": 1.0, "GPU": 1.0, "fast": 2.0}
    assert on["collectors"].needs == {"CPU": 1.0} and on["collectors"].remote


def test_only_cuts_of_the_scheme_have_a_backend():
    assert backends_of(Train(None)) == {}
    assert backends_of(Train(None, scheme="da2cs")) == {"collectors": serial}
    assert list(backends_of(Train(None, scheme="3ds", record_timing=True))) == ["learners"]
