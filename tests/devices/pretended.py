"""A GPU that is pretended on the CPU, so that what would fail on one fails in tests that have none.

A tensor ``OnCuda`` says that its device is ``cuda:0``, and keeps its numbers on the CPU. Within
``pretended_cuda()`` torch takes ``cuda`` and ``cuda:0`` for this device, and each operation is refused
that CUDA refuses: where tensors of two devices meet (a tensor [] on the CPU may meet others in
arithmetic, and indices on the CPU may index), where a generator of the CPU draws on the GPU, and where
numpy is to read a tensor that is there.

For C++ these tensors are on ``meta``, for which gradients and vmap work in every build of torch.
Compiled code is not pretended.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from threading import Thread
from typing import Any
from unittest import mock

import torch
from tensordict import TensorDict
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

CUDA, META, CPU = torch.device("cuda", 0), torch.device("meta"), torch.device("cpu")

COPIES = {"copy_", "_to_copy", "_foreach_copy_"}
INDEXING = {"index", "index_put", "index_put_", "_index_put_impl_", "_unsafe_index"}
ARITHMETIC = (
    *("add", "sub", "rsub", "mul", "div", "pow", "fmod", "remainder", "floor_divide", "atan2"),
    *("eq", "ne", "lt", "le", "gt", "ge", "maximum", "minimum", "fmax", "fmin", "where", "xlogy"),
    *("logical_and", "logical_or", "logical_xor"),
    *("bitwise_and", "bitwise_or", "bitwise_xor"),
)
WITH_SCALARS = {*ARITHMETIC, *(f"{name}_" for name in ARITHMETIC)}
"""Which take a tensor [] of the CPU beside those of the GPU; all others are refused, if in doubt."""


class OnCuda(Tensor):
    """A tensor on the pretended GPU."""

    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, numbers: Tensor):
        return Tensor._make_wrapper_subclass(
            cls,
            numbers.shape,
            strides=numbers.stride(),
            storage_offset=numbers.storage_offset(),
            dtype=numbers.dtype,
            device=META,
        )

    def __init__(self, numbers: Tensor):
        self.numbers = numbers

    device = property(lambda self: CUDA)
    is_cuda, is_cpu, is_meta = True, False, False

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return computed(func, args, kwargs or {})

    def numpy(self, *args, **kwargs):
        raise TypeError(
            "can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() to copy the tensor to "
            "host memory first."
        )

    def __array__(self, *args, **kwargs):
        return self.numpy()

    def data_ptr(self):
        raise RuntimeError("the memory of a GPU is not the CPU's to read")

    def tolist(self):
        return self.numbers.tolist()

    def __repr__(self):
        return f"OnCuda({self.numbers})"


def computed(func: Any, args: tuple, kwargs: dict) -> Any:
    """What an operation gives, on the device where CUDA would leave it."""
    tensors = [x for x in parts((args, kwargs)) if isinstance(x, Tensor)]
    there = [isinstance(x, OnCuda) for x in tensors]
    device = kwargs.get("device")
    on_cuda = any(there) if device is None else device.type == "meta"
    if not on_cuda and not any(there):
        return func(*args, **kwargs)
    check_devices(name_of(func), args, tensors)
    check_generators(on_cuda, args, kwargs)
    if device is not None:
        kwargs = kwargs | {"device": CPU}
    result = func(*mapped(numbers_of, args), **mapped(numbers_of, kwargs))
    given = {id(numbers_of(x)): x for x in tensors}
    return mapped(lambda x: _placed(x, given, on_cuda), result)


@cache
def name_of(func: Any) -> str:
    """The name of an operation.

    Raises:
        NotImplementedError: for one that changes the shape of its argument.
    """
    if torch.Tag.inplace_view in func.tags:
        raise NotImplementedError(f"{func} is not pretended")
    return func.overloadpacket.__name__


def mapped(fn: Callable, x: Any) -> Any:
    """``fn`` of what is in tuples, lists and dictionaries: torch's own takes longer than what it maps."""
    if isinstance(x, (tuple, list)):
        make = getattr(type(x), "_make", type(x))  # of a tuple with names
        return make([mapped(fn, part) for part in x])
    return {key: mapped(fn, part) for key, part in x.items()} if type(x) is dict else fn(x)


def parts(x: Any) -> Iterator[Any]:
    """What is in tuples, lists and dictionaries."""
    if isinstance(x, (tuple, list, dict)):
        for part in x.values() if isinstance(x, dict) else x:
            yield from parts(part)
    else:
        yield x


def numbers_of(x: Any) -> Any:
    """What is computed with."""
    return x.numbers if isinstance(x, OnCuda) else x


def _placed(x: Any, given: dict, on_cuda: bool) -> Any:
    """A result: an argument that was written to is itself, and all else is where it is to be."""
    if not isinstance(x, Tensor) or id(x) in given:
        return given.get(id(x), x)
    return OnCuda(x) if on_cuda else x


def check_devices(name: str, args: tuple, tensors: list[Tensor]) -> None:
    """Refuses tensors of two devices, as CUDA's operations do.

    Raises:
        RuntimeError: as torch's own.
    """
    there = [isinstance(x, OnCuda) for x in tensors]
    if any(x.device.type == "meta" and not isinstance(x, OnCuda) for x in tensors):
        raise AssertionError(f"{name} is given a tensor on meta, where this pretends to be")
    if all(there) or not any(there) or name in COPIES:
        return
    if name in INDEXING:
        return check_indexing(args)
    first_is_there = isinstance(args[0], OnCuda) if isinstance(args[0], Tensor) else True
    written = name.endswith("_") and not first_is_there
    vectors = any(x.dim() for x, on_cuda in zip(tensors, there, strict=True) if not on_cuda)
    if written or vectors or not (name in WITH_SCALARS or _only_rate(name, args)):
        raise two_devices(name)


def _only_rate(name: str, args: tuple) -> bool:
    """Whether all but the learning rate of torch's fused Adam is on the GPU."""
    lists = (x for x in parts(args) if isinstance(x, Tensor))
    return name == "_fused_adam_" and all(isinstance(x, OnCuda) for x in lists)


def check_indexing(args: tuple) -> None:
    """Refuses indices on the GPU for data on the CPU, and values of another device than the data's.

    Raises:
        RuntimeError: as torch's own.
    """
    data, _, *values = args
    if not isinstance(data, OnCuda):
        raise RuntimeError(
            "indices should be either on cpu or on the same device as the indexed tensor (cpu)"
        )
    for value in values[:1]:
        if not isinstance(value, OnCuda) and value.dim():
            raise two_devices("index_put_")


def check_generators(on_cuda: bool, args: tuple, kwargs: dict) -> None:
    """Refuses a generator of the CPU, where the GPU is to draw.

    Raises:
        RuntimeError: as torch's own.
    """
    given = any(isinstance(x, torch.Generator) for x in parts((args, kwargs)))
    if on_cuda and given:
        raise RuntimeError("Expected a 'cuda' device type for generator but found 'cpu'")


def two_devices(name: str) -> RuntimeError:
    """What torch says of tensors of two devices."""
    return RuntimeError(
        "Expected all tensors to be on the same device, but found at least two devices, cuda:0 and "
        f"cpu! (when checking {name})"
    )


class _Operations(TorchDispatchMode):
    """Sees the operations that have no tensor on the GPU among their arguments, as ``zeros(3)`` there."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return computed(func, args, kwargs or {})


MADE_OF_DATA = (torch.tensor, torch.as_tensor, torch.asarray)


class _Functions(TorchFunctionMode):
    """Reads ``cuda`` as the pretended GPU, and says so of tensors that functorch has wrapped."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if others := [kind for kind in types if not issubclass(kind, Tensor)]:
            with self:  # a TensorDict's own
                return others[0].__torch_function__(func, types, args, kwargs)
        if func is torch.device:
            return func(*args, **kwargs)
        if func in MADE_OF_DATA and "device" in kwargs:
            made = func(*args, **kwargs | {"device": None})
            return made if kwargs["device"] is None else made.to(below(kwargs["device"]))
        if func == Tensor.cuda:
            return args[0].to(META)
        return mapped(above, func(*mapped(below, args), **mapped(below, kwargs)))


def below(x: Any) -> Any:
    """A device of the pretended GPU as C++ knows it; all else as it is.

    Raises:
        RuntimeError: for another GPU, of which there is none.
    """
    if isinstance(x, str) and re.fullmatch(r"cuda(:\d+)?", x):
        x = torch.device(x)
    if not isinstance(x, torch.device) or x.type != "cuda":
        return x
    if x.index:
        raise RuntimeError("CUDA error: invalid device ordinal")
    return META


def above(x: Any) -> Any:
    """A device of C++ as Python is told; all else as it is."""
    return CUDA if isinstance(x, torch.device) and x.type == "meta" else x


@contextmanager
def pretended_cuda() -> Iterator[torch.device]:
    """Within, there is one GPU."""
    run = Thread.run

    def run_there(self):  # as modes are of one thread
        with _Operations(), _Functions():
            run(self)

    with (
        mock.patch("torch.cuda.current_device", lambda: 0),
        mock.patch.object(Thread, "run", run_there),
        _Operations(),
        _Functions(),
    ):
        yield CUDA


def places(tree: Any) -> set[str]:
    """The devices on which the tensors of a tree are."""
    return {str(x.device) for x in leaves(tree)}


def leaves(tree: Any) -> Iterator[Tensor]:
    """The tensors of a tree of tuples, lists, dictionaries and TensorDicts."""
    for part in parts(tree):
        if isinstance(part, Tensor):
            yield part
        elif isinstance(part, TensorDict):
            yield from part.values(True, True)
