"""Calls whose results no step has taken yet, as they are saved, and as they go on."""

from collections.abc import Mapping, Sequence
from typing import Any

from nappo2.machine.stop import current_stop, stopped_by
from nappo2.reports import Mean, Report
from nappo2.saving.snapshots import PendingCall
from nappo2.schemes.backend import Backend, Delivered, Lost
from nappo2.schemes.observed import Noted


def saved_calls(backend: Backend, pending: Mapping[Any, int], there: set[int]) -> list[PendingCall]:
    """Pending calls as data.

    Args:
        backend: where the workers are.
        pending: the index of the called worker, by the ref of each call.
        there: the workers whose states are saved; calls of others are not.

    Returns:
        The calls in their order, without those that were lost, and those behind them.
    """
    calls, gone = [], set()
    for ref, i in pending.items():
        call = _saved(backend, ref, i) if i in there - gone else None
        if call is None:
            gone.add(i)
        else:
            calls.append(call)
    return calls


def _saved(backend: Backend, ref: Any, i: int) -> PendingCall | None:
    if not backend.remote and not isinstance(ref, Delivered):
        return PendingCall(i, ref.params, ref.each_rollout, None)
    (result,) = [ref.result] if isinstance(ref, Delivered) else backend.get([ref])
    if isinstance(result, Lost):
        return None
    item, report = result
    noted = tuple(report[1:]) if isinstance(report, Noted) else ()
    report = report.report if isinstance(report, Noted) else report
    means = {name: tuple(mean) for name, mean in report.means.items()}
    return PendingCall(i, None, False, (item, tuple(report._replace(means=means, spans=())), noted))


def called_again(backend: Backend, members: Sequence[Any], call: PendingCall) -> Any:
    """The ref of a call that was saved.

    Args:
        backend: where the workers are.
        members: of the cut.
        call: as data.

    Returns:
        A new call of the worker, or ``Delivered`` with the result.
    """
    if call.result is None:
        with stopped_by(current_stop()._replace(each_rollout=call.each_rollout)):
            return backend.call(members[call.worker].worker, backend.put(call.params))
    item, (means, *others), noted = call.result
    report = Report({name: Mean(*mean) for name, mean in means.items()}, *others)
    return Delivered((item, Noted(report, *noted) if noted else report))
