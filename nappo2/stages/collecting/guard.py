"""What stands where data enter, and says what becomes of those that are not finite."""

from nappo2.checks import checked
from nappo2.pipeline import Pipeline, Transform
from nappo2.stages.collecting.non_finite import NonFinite


@checked
def guard(non_finite: NonFinite) -> Transform:
    """Right of ``collect``: has it treat by ``non_finite`` what environments give that is not finite.

    In a recipe, ``recipe.replace(non_finite=...)`` does the same.

    Raises:
        ValueError: if it stands anywhere else.
    """

    def wrap(source: Pipeline) -> Pipeline:
        if len(source.stages) != 1 or source.stages[0].with_non_finite is None:
            raise ValueError(f"guard stands right of collect, where data enters, not of {source!r}")
        return source.stages[0].with_non_finite(non_finite)

    return Transform(wrap)
