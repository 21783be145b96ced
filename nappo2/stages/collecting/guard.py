"""What stands where data enter, and says what becomes of those that are not finite."""

from nappo2.checks import checked
from nappo2.pipeline import Pipeline, Transform
from nappo2.stages.collecting.on_bad import OnBad


@checked
def guard(on_bad: OnBad) -> Transform:
    """Right of ``collect``: has it treat by ``on_bad`` what environments give that is not finite.

    In a recipe, ``recipe.replace(on_bad=...)`` does the same.

    Raises:
        ValueError: if it stands anywhere else.
    """

    def wrap(source: Pipeline) -> Pipeline:
        if len(source.stages) != 1 or source.stages[0].treating is None:
            raise ValueError(f"guard stands right of collect, where data enters, not of {source!r}")
        return source.stages[0].treating(on_bad)

    return Transform(wrap)
