"""What the pretended GPU of these tests is like: as CUDA, where tensors of two devices meet."""

import numpy as np
import pytest
import torch
from tensordict import TensorDict

from tests.devices.pretended import CUDA, OnCuda, pretended_cuda

TWO = "Expected all tensors to be on the same device"


@pytest.fixture(autouse=True)
def gpu():
    with pretended_cuda():
        yield


def there(*numbers):
    return torch.tensor(numbers, device="cuda")


def same(x, *numbers):
    return isinstance(x, OnCuda) and x.device == CUDA and x.tolist() == list(numbers)


def test_what_is_made_on_the_gpu_is_there_and_says_so():
    for made in (
        torch.zeros(2, device="cuda"),
        torch.zeros(2).to("cuda:0"),
        torch.zeros(2).to(CUDA, torch.float32),
        torch.zeros(2).to(torch.zeros((), device="cuda")),
        torch.zeros(2).cuda(),
        torch.tensor([0.0, 0.0], device=CUDA),
        torch.zeros_like(torch.ones(2, device="cuda")),
        torch.ones(1, device="cuda").new_zeros(2),
        torch.zeros_like(torch.ones(2), device="cuda"),
    ):
        assert same(made, 0.0, 0.0)
        assert made.is_cuda and not made.is_cpu and not made.is_meta


def test_what_is_moved_to_the_cpu_is_an_ordinary_tensor():
    for moved in (
        there(1.0).cpu(),
        there(1.0).to("cpu"),
        torch.zeros_like(there(1.0), device="cpu"),
    ):
        assert type(moved) is torch.Tensor and moved.is_cpu and moved.device.type == "cpu"


def test_there_is_one_gpu():
    with pytest.raises(RuntimeError, match="invalid device ordinal"):
        torch.zeros(2, device="cuda:1")


def test_vectors_of_two_devices_do_not_meet():
    x, y = torch.ones(2), there(1.0, 1.0)
    for meet in (
        lambda: x + y,
        lambda: y * x,
        lambda: torch.cat([x, y]),
        lambda: torch.stack([x, y]),
        lambda: torch.equal(x, y),
        lambda: torch.where(y > 0, x, y),
        lambda: y.masked_fill(x > 0, 0.0),
        lambda: y.masked_scatter(x > 0, y),
        lambda: x.lerp(y, 0.5),
        lambda: x @ y,
        lambda: y.add_(x),
        lambda: torch.searchsorted(y, x),
    ):
        with pytest.raises(RuntimeError, match=TWO):
            meet()


def test_a_number_of_the_cpu_may_meet_a_vector_of_the_gpu_and_not_the_other_way_round():
    half = torch.tensor(0.5)
    assert same(there(2.0) * half, 1.0)
    assert same(half * there(2.0), 1.0)
    assert same(torch.where(there(True), half, there(2.0)), 0.5)
    assert (half * torch.tensor(2.0, device="cuda")).is_cuda
    with pytest.raises(RuntimeError, match=TWO):
        torch.ones(2) * half.to("cuda")
    with pytest.raises(RuntimeError, match=TWO):
        half.add_(half.to("cuda"))
    with pytest.raises(RuntimeError, match=TWO):
        torch.stack([half, half.to("cuda")])


def test_indices_of_the_cpu_index_and_select_nothing_on_the_gpu():
    x, index = there(1.0, 2.0), torch.tensor([1])
    assert same(x[index], 2.0)
    assert same(x[torch.tensor([False, True])], 2.0)
    for refused in (
        lambda: x.index_select(0, index),
        lambda: x.gather(0, index),
        lambda: torch.ones(2)[index.to("cuda")],
    ):
        with pytest.raises(RuntimeError, match="device"):
            refused()


def test_what_is_written_to_the_gpu_by_indices_is_there_or_a_number():
    x = there(1.0, 2.0)
    x[torch.tensor([1])] = torch.tensor(3.0)
    x[:1] = torch.tensor([4.0])  # a copy, as copy_ is one
    assert same(x, 4.0, 3.0)
    with pytest.raises(RuntimeError, match=TWO):
        x[torch.tensor([0, 1])] = torch.tensor([5.0, 6.0])


def test_copies_cross():
    x, y = torch.zeros(2), there(1.0, 2.0)
    assert x.copy_(y) is x and x.tolist() == [1.0, 2.0]
    assert y.copy_(torch.ones(2)) is y and same(y, 1.0, 1.0)


def test_numpy_does_not_read_the_gpu():
    for read in (lambda: there(1.0).numpy(), lambda: np.asarray(there(1.0))):
        with pytest.raises(TypeError, match="can't convert cuda:0 device type tensor to numpy"):
            read()
    x = there(1.0)
    assert x.item() == float(x) == int(x) == x.tolist()[0] == 1


def test_a_generator_of_the_cpu_draws_nothing_on_the_gpu():
    rng = torch.Generator()
    for draw in (
        lambda: torch.randn(2, generator=rng, device="cuda"),
        lambda: torch.randperm(2, generator=rng, device="cuda"),
        lambda: there(1.0).exponential_(generator=rng),
    ):
        with pytest.raises(RuntimeError, match="device type for generator"):
            draw()
    assert torch.randn(2, device="cuda").is_cuda


def test_views_share_their_memory():
    x = torch.zeros(2, 2, device="cuda")
    x[0].add_(1)
    x.view(4)[3:].fill_(2)
    assert same(x.view(4), 1.0, 1.0, 0.0, 2.0)


def test_gradients_are_where_what_they_are_of_is():
    x, w = there(1.0, 2.0), there(3.0, 4.0).requires_grad_()
    (grad,) = torch.autograd.grad((x * w).sum(), w)
    assert same(grad, 1.0, 2.0)
    both = (w, there(0.0).requires_grad_())
    _, unused = torch.autograd.grad((x * w).sum(), both, materialize_grads=True)
    assert same(unused, 0.0)
    assert same(torch.func.grad(lambda w: (x * w).sum())(w.detach()), 1.0, 2.0)
    with pytest.raises(RuntimeError, match=TWO):
        torch.func.grad(lambda w: (torch.ones(2) * w).sum())(w.detach())


def test_under_vmap_devices_are_said_moved_and_do_not_meet():
    def doubled(x, y):
        assert x.device == CUDA and not x.is_cpu and y.device.type == "cpu"
        return x * 2 + y.to(x.device) + torch.ones((), device=x.device)

    x, y = torch.zeros(2, 1, device="cuda"), torch.ones(2, 1)
    assert torch.vmap(doubled)(x, y).tolist() == [[2.0], [2.0]]
    with pytest.raises(RuntimeError, match=TWO):
        torch.vmap(torch.add)(x, y)
    with pytest.raises(RuntimeError, match=TWO):  # as numbers that are many are no numbers
        torch.vmap(torch.add)(x[:, 0], y[:, 0])


def test_the_fused_adam_takes_a_rate_of_the_cpu_and_no_state_of_it():
    def step(count, rate):
        x = [torch.zeros(2, device="cuda") for _ in range(4)]
        torch._fused_adam_(
            *([each] for each in x), [], [count], lr=rate, beta1=0.9, beta2=0.999,
            weight_decay=0.0, eps=1e-8, amsgrad=False, maximize=False,
        )  # fmt: skip

    one = torch.ones(())
    step(one.to("cuda"), one)
    step(one.to("cuda"), one.to("cuda"))
    with pytest.raises(RuntimeError, match=TWO):
        step(one, one)


def test_a_tensordict_moves_and_computes_there():
    tree = TensorDict(a=torch.ones(2), b=TensorDict(c=torch.zeros(2, 3)), batch_size=[2])
    moved = tree.to("cuda")
    assert moved["a"].device == moved["b", "c"].device == CUDA
    assert moved.device == CUDA
    assert same((moved + moved)["a"], 2.0, 2.0)
    assert torch.stack([moved, moved])["a"].is_cuda
    assert torch.cat([moved, moved])["b", "c"].is_cuda
    assert moved.cpu()["a"].is_cpu
    assert same(moved[torch.tensor([1])]["a"], 1.0)
    with pytest.raises(RuntimeError, match=TWO):
        tree + moved


def test_what_is_on_the_cpu_is_as_it_always_was():
    x = torch.ones(2, requires_grad=True)
    (x * 2).sum().backward()
    assert type(x.grad) is torch.Tensor and x.grad.numpy().tolist() == [2.0, 2.0]
    assert x.device.type == "cpu" and x.is_cpu and not x.is_cuda
