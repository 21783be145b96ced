"""Products of compiled programs are the same by either library."""

import pytest
import torch
import torch._inductor.config
from torch.fx.experimental.proxy_tensor import make_fx

from nappo2.machine import compiling, products
from nappo2.machine.products import by_onednn, is_large

NOISE = torch.Generator().manual_seed(0)
A, B, V, BIAS = (
    torch.randn(*shape, generator=NOISE) for shape in ((256, 64), (64, 128), (128, 64), (128,))
)
FORMS = {
    "rows by rows": lambda a, b, bias: a @ b,
    "rows by columns": lambda a, b, bias: a @ b.mT.contiguous().mT,
    "columns by rows, the left the smaller": lambda a, b, bias: b.mT @ a.mT.contiguous(),
    "columns by rows, the right the smaller": lambda a, b, bias: a.mT.contiguous().mT @ b,
    "a layer with a bias": lambda a, b, bias: torch.addmm(bias, a, b),
}


@pytest.mark.parametrize("form", FORMS)
def test_each_large_product_is_one_of_onednn(form):
    """256 x 64 x 128 are 2^21 multiplications."""
    graph = make_fx(FORMS[form])(A, B, BIAS)
    by_onednn(graph.graph)
    graph.recompile()
    targets = [str(node.target) for node in graph.graph.nodes if node.op == "call_function"]
    assert targets.count("nappo2.product.default") == 1
    assert not {"aten.mm.default", "aten.addmm.default"} & {*targets}
    torch.testing.assert_close(graph(A, B, BIAS), FORMS[form](A, B, BIAS), atol=1e-4, rtol=1e-5)


def test_small_and_thin_products_and_other_numbers_stay():
    """64 x 64 x 128 are 2^19 multiplications; a column of values is bound by memory."""
    assert is_large(A, B)
    for left, right in [
        (A[:64], B),
        (torch.ones(2**16, 64), torch.ones(64, 1)),
        (torch.ones(8, 2**10), torch.ones(2**10, 2**10)),
        (A.double(), B.double()),
        (A.to("meta"), B.to("meta")),
    ]:
        assert not is_large(left, right)


def test_a_layer_that_is_scaled_stays():
    graph = make_fx(lambda a, b, bias: torch.addmm(bias, a, b, alpha=2.0))(A, B, BIAS)
    by_onednn(graph.graph)
    assert "nappo2.product.default" not in {str(node.target) for node in graph.graph.nodes}


def test_a_compiled_gradient_is_the_eager_one(monkeypatch):
    """Of a layer with tanh and one without, by oneDNN whichever processor this is: five products."""
    monkeypatch.setattr(compiling, "onednn_is_faster", lambda: True)
    products_in = []

    def counted(graph):
        by_onednn(graph)
        targets = [str(node.target) for node in graph.nodes]
        products_in.append(targets.count("nappo2.product.default"))

    monkeypatch.setattr(compiling, "by_onednn", counted)
    weights = {"w": B / 8, "v": V / 8, "b": BIAS}

    def loss(weights, x):
        return (torch.addmm(weights["b"], x, weights["w"]).tanh() @ weights["v"]).square().mean()

    gradient = torch.func.grad(loss)
    with torch.no_grad(), torch._inductor.config.patch(force_disable_caches=True):
        found, expected = compiling.compiled(gradient)(weights, A), gradient(weights, A)
    assert products_in == [5]
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, atol=1e-6, rtol=1e-5)


def test_mkl_stays_where_a_processor_is_of_intel(monkeypatch, tmp_path):
    """Of any other one with AVX-512, oneDNN is taken."""
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    monkeypatch.setattr(torch.backends.mkl, "is_available", lambda: True)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    processors = tmp_path / "cpuinfo"
    monkeypatch.setattr(products, "PROCESSORS", processors)
    for maker, expected in [("GenuineIntel", False), ("AuthenticAMD", True)]:
        processors.write_text(f"processor : 0\nvendor_id : {maker}\n")
        assert products.onednn_is_faster.__wrapped__() is expected
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    assert not products.onednn_is_faster.__wrapped__()
