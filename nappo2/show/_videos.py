"""Videos of a policy as it is trained, beside the run."""

from functools import partial
from pathlib import Path

from nappo2.checks import checked
from nappo2.envs import Env
from nappo2.params import Params
from nappo2.pipeline import positive
from nappo2.policies import Policy
from nappo2.runs.beside import Job, Place
from nappo2.show._video import video


@checked
def videos(
    env: Env, policy: Policy, every: int, num_steps: int = 300, seed: int = 0, fps: int = 30
) -> Job:
    """Films a policy every so many env steps, for ``Learner(evaluate=beside(test, videos(...)))``.

    Each video is written to ``log_dir/videos/step-000000050000.mp4``, and shown to loggers that take
    files.

    Args:
        env: made such that it can be rendered, as with ``render_mode="rgb_array"``.
        policy: chooses the actions, such as ``recipe.greedy``.
        every: env steps between videos.
        num_steps: of a video, at most.
        seed: of the environment and the policy, the same for all videos.
        fps: frames per second.

    Returns:
        A job for ``beside``.
    """
    positive(every=every, num_steps=num_steps, fps=fps)
    options = {"num_steps": num_steps, "seed": seed, "fps": fps}
    return Job(partial(film, env, policy, options), every)


def film(env: Env, policy: Policy, options: dict[str, int], params: Params, place: Place) -> Path:
    """Films params, and writes the video to the folder of their run.

    Args:
        env: that can be rendered.
        policy: chooses the actions.
        options: of ``video``.
        params: of the agent.
        place: where the run was.

    Returns:
        The path of the video.

    Raises:
        ValueError: if the run has no log_dir.
    """
    if place.log_dir is None:
        raise ValueError("videos need a log_dir to be written to")
    folder = place.log_dir / "videos"
    folder.mkdir(exist_ok=True)
    path = folder / f"step-{place.env_steps:012d}.mp4"
    return video(env, policy, params, **options, progress=False).save(path)
