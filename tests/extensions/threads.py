"""A backend of one's own: each worker of ``serial`` steps in a thread of its own."""

from concurrent.futures import ThreadPoolExecutor, wait
from contextvars import copy_context

from nappo2.schemes.backend import Backend, reduces, serial


def in_threads(num: int) -> Backend:
    """Workers in as many threads; for those that meet, in turns."""
    pool = ThreadPoolExecutor(num)

    class Step:
        def __init__(self, worker, params):
            self.call = serial.call(worker, params)
            self.future = None
            if not reduces(worker.pipeline):
                self.future = pool.submit(copy_context().run, self.call)

    def get(steps):
        if any(step.future is None for step in steps):
            return serial.get([step.call for step in steps])
        return [step.future.result() for step in steps]

    def first(steps, num):
        futures = [step.future for step in steps if step.future is not None]
        if len(futures) == len(steps):
            while sum(future.done() for future in futures) < num:
                wait(
                    [future for future in futures if not future.done()],
                    return_when="FIRST_COMPLETED",
                )
            steps = [step for step in steps if step.future.done()]
        return steps[:num]

    def preempt(steps, share):
        serial.preempt([step.call for step in steps], share)

    return serial._replace(call=Step, get=get, wait=first, preempt=preempt)
