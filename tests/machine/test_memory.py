"""The memory that is left, of a machine and of the control groups that a process is in."""

import pytest

from nappo2.machine.memory import available_memory

MACHINE = "MemTotal: 16 kB\nMemAvailable: 8 kB\n"
V1 = "9:name=systemd:/\n4:cpu,memory:/jobs/7\n0::/\n"


def made(root, files):
    """A file system of these files."""
    for name, text in {"proc/meminfo": MACHINE, **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(text))
    return root


def v2(group, limit, used, cache=0):
    base = f"sys/fs/cgroup{group}"
    stat = f"anon 1\ninactive_file {cache}\n"
    return {
        f"{base}/memory.max": limit,
        f"{base}/memory.current": used,
        f"{base}/memory.stat": stat,
    }


def v1(group, limit, used, cache=0):
    base = f"sys/fs/cgroup/memory{group}"
    files = {"limit_in_bytes": limit, "usage_in_bytes": used}
    stat = {f"{base}/memory.stat": f"total_inactive_file {cache}\n"}
    return {f"{base}/memory.{name}": x for name, x in files.items()} | stat


@pytest.mark.parametrize(
    ("files", "left"),
    [
        ({}, 8192),
        ({"proc/self/cgroup": "0::/a\n", **v2("/a", "max", 99)}, 8192),
        ({"proc/self/cgroup": "0::/a\n", **v2("/a", 5000, 2000)}, 3000),
        ({"proc/self/cgroup": "0::/a\n", **v2("/a", 5000, 2000, cache=500)}, 3500),
        ({"proc/self/cgroup": "0::/a/b\n", **v2("/a", 5000, 2000), **v2("/a/b", 9000, 10)}, 3000),
        ({"proc/self/cgroup": "0::/out/of/sight\n", **v2("", 700, 200)}, 500),
        ({"proc/self/cgroup": V1, **v1("/jobs/7", 4000, 1000), **v1("", 2**63 - 4096, 9)}, 3000),
        ({"proc/self/cgroup": V1, **v1("/jobs/8", 4000, 1000)}, 8192),
    ],
)
def test_the_least_of_what_is_left(files, left, tmp_path):
    """8 kB on the machine, or the limit of a group less what is used in it and is no cache."""
    assert available_memory(made(tmp_path, files)) == left


def test_where_nobody_says_there_is_no_limit(tmp_path):
    assert available_memory(tmp_path) == float("inf")
