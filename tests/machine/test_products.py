"""Products of compiled programs in tiles are those of torch."""

import pytest
import torch
import torch._inductor.config
from torch.fx.experimental.proxy_tensor import make_fx

from nappo2.machine import compiling, products
from nappo2.machine.products import in_tiles, is_tiled

SIZES = {  # [M, K] x [K, N], or n of them
    "a layer": (128, 64, 64),
    "two outputs": (32, 64, 2),
    "four rows": (4, 128, 33),
    "seven rows": (7, 300, 64),
    "nine rows": (9, 5, 16),
    "no size a multiple of a tile's": (13, 7, 47),
    "sums of more terms than a tile takes at once": (21, 600, 50),
    "a batch": (3, 9, 20, 17),
}
LAYOUTS = {
    "rows by rows": lambda a, b: a @ b,
    "columns by rows": lambda a, b: a.mT.contiguous().mT @ b,
    "rows by columns": lambda a, b: a @ b.mT.contiguous().mT,
    "parts of larger matrices": lambda a, b: (
        torch.nn.functional.pad(a, (1, 2, 1, 1))[..., 1:-1, 1:-2]
        @ torch.nn.functional.pad(b, (3, 1, 1, 0))[..., 1:, 3:-1]
    ),
    "one right side for all": lambda a, b: a @ (b if b.ndim == 2 else b[:1].expand_as(b)),
}


def matrices(*sizes: int) -> tuple[torch.Tensor, torch.Tensor]:
    *batch, rows, terms, columns = sizes
    noise = torch.Generator().manual_seed(0)
    shapes = (rows, terms), (terms, columns)
    return tuple(torch.randn(*batch, *shape, generator=noise) for shape in shapes)


def targets_of(graph):
    return [str(node.target) for node in graph.nodes if node.op == "call_function"]


@pytest.fixture
def compiled(monkeypatch):
    """Compiles a function with products in tiles, whichever processor this is; counts them."""
    monkeypatch.setattr(compiling, "mkl_leaves_avx512_out", lambda: True)
    counts = []

    def counted(graph):
        in_tiles(graph)
        counts.append(targets_of(graph).count("nappo2.product.default"))

    monkeypatch.setattr(compiling, "in_tiles", counted)

    def run(function, *args):
        with torch.no_grad(), torch._inductor.config.patch(force_disable_caches=True):
            return compiling.compiled(function)(*args), sum(counts)

    return run


def error(found, exact):
    return float((found - exact).abs().max())


def test_products_of_all_sizes_and_layouts_are_those_of_float64(compiled):
    """Forty products in one program; errors are at most three times those of torch's library."""
    pairs = [matrices(*sizes) for sizes in SIZES.values()]
    products_of = lambda pairs: {
        name: [function(a, b) for a, b in pairs] for name, function in LAYOUTS.items()
    }
    found, count = compiled(products_of, pairs)
    exact = products_of([(a.double(), b.double()) for a, b in pairs])
    assert count == len(LAYOUTS) * len(SIZES)
    for name, theirs in products_of(pairs).items():
        for ours, library, true in zip(found[name], theirs, exact[name], strict=True):
            assert error(ours, true) <= 3 * error(library, true) + 1e-6


def test_a_product_does_not_depend_on_its_place_in_memory(compiled):
    """To the last bit, at each of 17 places."""
    a, b = matrices(13, 70, 47)
    results = []
    for offset in range(17):
        place = torch.empty(a.numel() + offset)[offset:].view_as(a).copy_(a)
        results.append(place)
    found, _ = compiled(lambda places, b: [place @ b for place in places], results, b)
    assert all((x == found[0]).all() for x in found)


def test_threads_share_large_products_and_change_no_bit(compiled):
    """Rows of one matrix, or the matrices of a batch."""
    sizes = (1027, 64, 64), (9, 512, 512), (3, 1027, 64, 64), (2, 67, 128, 128)
    pairs = [matrices(*each) for each in sizes]
    products = lambda pairs: [a @ b for a, b in pairs]
    one, _ = compiled(products, pairs)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        two, count = compiled(products, pairs)
    finally:
        torch.set_num_threads(before)
    assert count == 8 and all((x == y).all() for x, y in zip(one, two, strict=True))


def test_a_compiled_gradient_is_the_eager_one(compiled):
    """Of a layer with tanh and one without: five products."""
    (x, w), (_, v), bias = matrices(64, 32, 48), matrices(64, 48, 16), torch.ones(48)
    weights = {"w": w / 8, "v": v / 8, "b": bias}

    def loss(weights, x):
        return (torch.addmm(weights["b"], x, weights["w"]).tanh() @ weights["v"]).square().mean()

    gradient = torch.func.grad(loss)
    (found, count), expected = compiled(gradient, weights, x), gradient(weights, x)
    assert count == 5
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, atol=1e-6, rtol=1e-5)


def test_members_of_a_population_are_a_batch(compiled):
    """The same layer under vmap, with a bias."""
    (x, w), bias = matrices(3, 16, 8, 12), torch.arange(36.0).view(3, 12)
    layer = torch.vmap(lambda x, w, b: torch.addmm(b, x, w).tanh())
    found, count = compiled(layer, x, w, bias)
    assert count == 1
    torch.testing.assert_close(found, layer(x, w, bias), atol=1e-6, rtol=1e-5)


def test_products_whose_places_depend_on_a_size_stay(compiled):
    """Four columns of a matrix of any number of them."""
    a, b = matrices(8, 16, 9)
    torch._dynamo.mark_dynamic(b, 1)
    found, count = compiled(lambda a, b: a @ b[:, :4], a, b)
    assert count == 0 and (found - a @ b[:, :4]).abs().max() < 1e-5


def test_products_of_few_rows_or_one_column_and_of_other_numbers_stay():
    a, b = matrices(4, 8, 2)
    assert is_tiled(a, b)
    for left, right in [
        (a[:3], b),
        (a, b[:, :1]),
        (a[:, :0], b[:0]),
        (a.double(), b.double()),
        (a.to("meta"), b.to("meta")),
    ]:
        assert not is_tiled(left, right)


def test_a_layer_that_is_scaled_stays():
    a, b = matrices(8, 8, 8)
    graph = make_fx(lambda a, b, bias: torch.addmm(bias, a, b, alpha=2.0))(a, b, a[0])
    in_tiles(graph.graph)
    assert "nappo2.product.default" not in targets_of(graph.graph)


def test_mkl_stays_where_a_processor_is_of_intel(monkeypatch, tmp_path):
    """Of any other one with AVX-512, tiles are taken."""
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    monkeypatch.setattr(torch.backends.mkl, "is_available", lambda: True)
    processors = tmp_path / "cpuinfo"
    monkeypatch.setattr(products, "PROCESSORS", processors)
    for maker, expected in [("GenuineIntel", False), ("AuthenticAMD", True)]:
        processors.write_text(f"processor : 0\nvendor_id : {maker}\n")
        assert products.mkl_leaves_avx512_out.__wrapped__() is expected
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    assert not products.mkl_leaves_avx512_out.__wrapped__()
