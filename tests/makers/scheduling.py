"""A backend in this process whose timing is drawn: any order of calls, workers lost, rollouts cut short."""

from random import Random

from nappo2.machine.stop import current_stop, stopped_by
from nappo2.schemes import Backend, serial
from nappo2.schemes.backend import Lost, Parted, SerialCall, reduces
from nappo2.schemes.group import in_turns


class DrawnCall(SerialCall):
    """A call that is told to stop at a drawn step of each rollout, once it is preempted."""

    draw = None

    def __call__(self):
        share, self.share = self.share, None
        if share is None:
            return super().__call__()
        at_least = max(share, self.draw.random())
        outer = current_stop()
        stop = outer._replace(asked=lambda x: x >= at_least, arrived=lambda: None)
        with stopped_by(stop):
            return super().__call__()


def drawn(seed: int, loss: float = 0.0, finished: float = 0.5) -> Backend:
    """A backend whose decisions are drawn.

    A call is lost with probability ``loss``: before it was taken, or after; of a group, with probability
    ``finished`` after all had met, so that the others deliver. Where the number of workers may change,
    some join, and some leave.
    """
    draw = Random(seed)

    def call(worker, params):
        drawn_call = DrawnCall(worker, params)
        drawn_call.draw, drawn_call.share = draw, worker.least
        return drawn_call

    def wait(calls, num):
        left, ready = list(calls), []
        while len(ready) < num:
            firsts = {id(x.worker): x for x in reversed(left)}  # a worker takes its calls in order
            ready.append(draw.choice(list(firsts.values())))
            left.remove(ready[-1])
        return [x for x in calls if x in ready]

    def get(calls):
        if len(calls) > 1 and all(reduces(x.worker.pipeline) for x in calls):
            return of_group(calls)
        gone, answers = set(), []
        for each in calls:
            if id(each.worker) in gone or draw.random() < loss:
                gone.add(id(each.worker))
                if draw.random() < 0.5:
                    each()
                answers.append(Lost(ConnectionError("drawn"), died=True))
            else:
                answers.append(each())
        return answers

    def of_group(calls):
        dead = [draw.random() < loss for _ in calls]
        if not any(dead):
            return in_turns(calls)
        if draw.random() < finished and not all(dead):
            results = in_turns(calls)
        else:
            results = [Lost(Parted("drawn"), died=False)] * len(calls)
        return [
            Lost(ConnectionError("drawn"), died=True) if gone else x
            for gone, x in zip(dead, results, strict=True)
        ]

    def regroup(workers, fns):
        lost = [draw.random() < loss for _ in workers]
        if any(lost):
            return [Lost(ConnectionError("drawn"), died=True) if x else None for x in lost]
        return serial.regroup(workers, fns)

    def room(workers):
        return draw.randrange(3)

    def leaving(workers):
        return [i for i in range(len(workers)) if draw.random() < 0.1]

    return serial._replace(
        call=call,
        wait=wait,
        get=get,
        regroup=regroup,
        max_restarts=10**6,
        spawn=spawn,
        room=room,
        leaving=leaving,
    )


def spawn(pipeline, params, seeds, arrivals, patient=True):
    """Workers that have params of their own, as those of other processes do."""
    workers = serial.spawn(pipeline, params.clone(), seeds, arrivals)
    for worker in workers:
        worker.least = (
            arrivals and arrivals[1]
        )  # share of a rollout with which one of a group stops
    return workers
