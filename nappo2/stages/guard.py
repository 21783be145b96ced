"""What stands where data enter, and says what becomes of those that are not finite."""

from nappo2.checks import checked
from nappo2.pipeline import Transform
from nappo2.stages.collect import collect
from nappo2.stages.on_bad import OnBad


@checked
def guard(on_bad: OnBad) -> Transform:
    """Right of ``collect``: has it treat by ``on_bad`` what environments give that is not finite.

    Raises:
        ValueError: if it stands anywhere else.
    """

    def transform(source):
        if [stage.kind for stage in source.stages] != ["collect"]:
            raise ValueError(f"guard stands right of collect, where data enters, not of {source!r}")
        return collect(**{**source.stages[0].arguments, "on_bad": on_bad})

    return transform
