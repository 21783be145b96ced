"""What ``import nappo2`` imports, and what it leaves for those who need it."""

import subprocess
import sys

CODE = """
import sys
import nappo2
print([name for name in ("torch._dynamo", "ray", "matplotlib", "scipy") if name in sys.modules])
import torch._dynamo.trace_rules as rules
from tensordict import base, utils
print([id(x) in rules._allowed_callable_ids for x in (utils._add_batch_dim_c, base._foreach_copy_)])
print([x._dynamo_marked_constant for x in (utils._lock_warn, utils._check_inbuild)])
"""


def test_the_compiler_is_imported_by_who_compiles_and_knows_tensordicts_marks_then():
    """Two functions that it may call in a graph, and two of constant results."""
    run = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines() == ["[]", "[True, True]", "[True, True]"]
