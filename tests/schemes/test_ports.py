"""Nothing that a scheme starts can be reached from another machine, by IPv4 or IPv6."""

import ipaddress

import psutil
import pytest

from nappo2 import scheme
from tests.makers.processes import listening, sockets_of
from tests.makers.recipes import CARTPOLE_PPO, scheme_arguments


@pytest.mark.parametrize("name", ["3cs", "3ds", pytest.param("dadaca", marks=pytest.mark.faults)])
def test_whatever_a_scheme_starts_listens_on_the_loopback_alone(name, on_ray):
    """All processes below this one, after a step: Ray's daemons, actors, and what groups meet by.

    Of one process, of a group, and of workers that have workers: the other schemes start no more.
    """
    number = 2 if name == "3ds" else 1
    given = scheme_arguments(name, collectors=number, learners=number, on=on_ray())
    pipe = scheme(name, CARTPOLE_PPO, **given)
    params = CARTPOLE_PPO.init(0)
    state, _, _ = pipe.step(params, pipe.init(params, 1))
    below = [process.pid for process in psutil.Process().children(recursive=True)]
    here, hosts = sockets_of(below), set()
    for inode, addresses in listening().items():
        hosts |= addresses if inode in here else set()
    for value in state.values():
        if hasattr(value, "stop"):
            value.stop()
    assert all(ipaddress.ip_address(host).is_loopback for host in hosts), hosts
    assert hosts or name == "3cs"
    print(
        f"\n{name}: {len(below)} processes, {len(here)} sockets, all that listen at {sorted(hosts)}"
    )
