"""The product in tiles as an operation of torch, whose compiled form is ``product.h``."""

from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch._inductor.lowering  # before templates, which import it in a circle
from torch import Tensor
from torch._inductor import ir
from torch._inductor.codegen.cpp_template import CppTemplate

SOURCE = Path(__file__).with_name("product.h").read_text()
PARALLEL = 2**20  # multiplications, from which on threads share a product
ROWS = 8  # of a tile
CALL = """
extern "C" {{kernel.def_kernel(inputs={"a": a, "b": b}, outputs={"c": c})}}
{
  {%- if threads > 1 %}
  #pragma omp parallel for collapse(2) num_threads({{threads}})
  {%- endif %}
  for (int64_t i = 0; i < {{batch}}; i++)
    for (int64_t m = 0; m < {{rows}}; m += {{part}})
      nappo2::product(
          &{{kernel.index(a, first)}} + i * {{left.batch}}, {{left.row}}, {{left.column}},
          &{{kernel.index(b, first)}} + i * {{right.batch}}, {{right.row}},
          &{{kernel.index(c, first)}} + i * {{rows * columns}}, {{columns}},
          {{rows}}, {{terms}}, {{columns}}, m, std::min<int64_t>({{rows}}, m + {{part}}));
}
"""
FILES = [Path(__file__).with_name(name) for name in ("product.h", "products.py", "tiles.py")]
VERSION = sha256(b"".join(file.read_bytes() for file in FILES)).hexdigest()[:16]
"""Of all that decides the code of a product, for the keys of compiled programs."""


class Tiles(CppTemplate):
    """The kernel of a product [..., M, K] x [..., K, N], of which the right has its columns side by side."""

    def render(self, kernel: Any, template_buffer_node: Any = None, **_: Any) -> str:
        """The code of the kernel, for nodes of a graph that is compiled, or for those it was made with."""
        a, b, c = *self.input_nodes, self.output_node
        if template_buffer_node is not None:
            a, b, c = *template_buffer_node.inputs, template_buffer_node
        batch, rows, columns = (1, *map(int, c.get_size()))[-3:]
        terms = int(a.get_size()[-1])
        threads = self.num_threads if batch * rows * terms * columns >= PARALLEL else 1
        parts = 1 if batch >= threads else threads
        call = self._template_from_string(CALL).render(
            kernel=kernel,
            a=a,
            b=b,
            c=c,
            first=[0] * len(c.get_size()),
            left=strides(a),
            right=strides(b),
            batch=batch,
            rows=rows,
            terms=terms,
            columns=columns,
            threads=threads,
            part=-(-rows // parts // ROWS) * ROWS,
        )
        return self.header().getvalue() + SOURCE + call


class Strides(NamedTuple):
    """Of a batch of matrices, or of one, whose ``batch`` is 0."""

    batch: int
    row: int
    column: int


def strides(node: Any) -> Strides:
    """The strides of a node of a graph that is compiled."""
    return Strides(*[0, *map(int, node.get_stride())][-3:])


LIBRARY = torch.library.Library("nappo2", "FRAGMENT")
LIBRARY.define("product(Tensor a, Tensor b) -> Tensor")
LIBRARY.impl("product", torch.matmul, "CompositeExplicitAutograd")
product = torch.ops.nappo2.product.default
"""``(a [..., M, K], b [..., K, N]) -> a @ b``"""


@torch.library.register_fake("nappo2::product", lib=LIBRARY)
def _(a: Tensor, b: Tensor) -> Tensor:
    return a.new_empty(*a.shape[:-1], b.shape[-1])


@torch._inductor.lowering.register_lowering(product, type_promotion_kind=None)
def lowered(a: Any, b: Any) -> Any:
    """The node of a product in a graph that is compiled, whose right side has whole rows."""
    a, b = (ir.ExternKernel.realize_input(x) for x in (a, b))
    if not ir.is_storage_and_layout(b) or b.get_stride()[-1] != 1:
        b = ir.ExternKernel.require_contiguous(b)
    for x in (a, b):
        ir.as_storage_and_layout(x, freeze=True)
    size = [*a.get_size()[:-1], b.get_size()[-1]]
    layout = ir.FixedLayout(device=a.get_device(), dtype=a.get_dtype(), size=size)
    result = Tiles("product", [a, b], layout, torch.get_num_threads()).generate().output_node()
    result.data.data.allow_epilogue_fusion = False  # what follows reads all of it
    return result
