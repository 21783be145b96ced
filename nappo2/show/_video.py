"""Videos of policies."""

from base64 import b64encode
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import torch

from nappo2.checks import checked, installs
from nappo2.envs import Env
from nappo2.params import Params, Plain, beside_environments
from nappo2.pipeline import positive
from nappo2.policies import Policy, action_of
from nappo2.policies.fitting import first_act
from nappo2.runs.progress import progress_bar
from nappo2.runs.targets import Target
from nappo2.saving.outputs import check_output, whole_file
from nappo2.seeds import fold_in, generator, split


class Video(NamedTuple):
    """An MP4 of an episode, which notebooks show.

    Attributes:
        mp4: the bytes of the file.
        num_frames: number of frames.
        score: the return of the episode up to the last frame.
        ended: whether the episode ended; otherwise it was cut after ``num_steps`` steps.
    """

    mp4: bytes
    num_frames: int
    score: float
    ended: bool = True

    def save(self, path: str | Path) -> Path:
        """Writes the file and returns its path.

        Raises:
            ValueError: if there can be no file at this path, or its name is of another kind of file.
        """
        check_output(path, ".mp4")
        with whole_file(path) as unfinished:
            unfinished.write_bytes(self.mp4)
        return Path(path)

    def __repr__(self):
        size = f"{len(self.mp4) / 1000:.0f} kB"
        until = "" if self.ended else f" up to where it was cut, after {self.num_frames - 1} steps"
        return (
            f"{self.num_frames} frames, return {self.score:.1f}{until}, {size}; save(path) keeps it"
        )

    def _repr_html_(self):
        data = b64encode(self.mp4).decode()
        return (
            '<video controls autoplay muted loop style="max-width:100%" '
            f'src="data:video/mp4;base64,{data}"></video>'
        )


@checked
def video(
    env: Env,
    policy: Policy,
    params: Params,
    num_steps: int = 300,
    seed: int = 0,
    fps: int = 30,
    progress: bool | None = None,
) -> Video:
    """Films the first environment until its first episode ends, or for ``num_steps`` steps.

    Args:
        env: made such that it can be rendered, as with ``render_mode="rgb_array"``.
        policy: chooses the actions, such as ``recipe.greedy``.
        params: of the agent.
        num_steps: at most.
        seed: of the environment and the policy.
        fps: frames per second.
        progress: whether to show a bar of frames; None shows it on a terminal and in a notebook.

    Returns:
        The video, to be shown or saved.

    Raises:
        ImportError: without imageio; says how to install it.
        ValueError: if the environment cannot be rendered; says how one is made that can.
    """
    positive(num_steps=num_steps, fps=fps)
    imageio()  # before the episode is played
    with progress_bar(Target(num_steps + 1, 0, "frame"), progress) as bar:
        pictures, score = frames(env, policy, params, num_steps, seed, bar.update)
        bar.total = bar.n  # as the episode may have ended
    return Video(encode(pictures, fps), len(pictures), score, ended=len(pictures) <= num_steps)


@torch.no_grad()
def frames(
    env: Env,
    policy: Policy,
    params: Params,
    num_steps: int,
    seed: int,
    rendered: Callable[[], object] = lambda: None,
) -> tuple[list, float]:
    """Renders the first environment at each step of an episode.

    Args:
        env: an environment that can be rendered.
        policy: chooses the actions.
        params: of the agent.
        num_steps: at most.
        seed: of the environment and the policy.
        rendered: called after each frame.

    Returns:
        Frames [height, width, 3] uint8, and the return. There is one frame more than steps, unless
        the episode ended, as its last state is reset at once.
    """
    env_seed, memory_seed, key = split(fold_in(seed, "video"), 3)
    state, observation = env.reset(env_seed)
    memory, plain, rng = (
        policy.init(env.num_envs, memory_seed),
        Plain(beside_environments(params).to_dict()),
        generator(key),
    )
    score = 0.0
    try:
        act = partial(first_act, env, policy)
        pictures = [render(env, state)]
        rendered()
        for _ in range(num_steps):
            decision, memory = act(plain, observation, memory, rng)
            act = policy.act
            state, observation, transition = env.step(state, action_of(decision))
            done = transition.terminated | transition.truncated
            memory, score = policy.reset(memory, done, rng), score + float(transition.reward[0])
            if done[0]:
                break  # its last state cannot be rendered, as it is reset at once
            pictures.append(render(env, state))
            rendered()
    finally:
        env.close(state)
    return pictures, score


def render(env: Env, state: Any) -> np.ndarray:
    """A frame [height, width, 3] uint8 of the first environment, with even sides, as codecs need them.

    Raises:
        ValueError: if the environment has no pictures, or was made without them.
    """
    if env.render is None:
        raise ValueError(f"{env.name} cannot be rendered: it has no pictures of itself")
    frame = env.render(state)
    if frame is None:
        raise ValueError(
            f"{env.name} cannot be rendered as it was made; if it takes a render_mode, "
            "envs.make(id, render_mode='rgb_array') makes one that can"
        )
    frame = np.asarray(frame, np.uint8)
    return frame[: frame.shape[0] // 2 * 2, : frame.shape[1] // 2 * 2]


def encode(pictures: list[np.ndarray], fps: int) -> bytes:
    """Frames [height, width, 3] uint8 as the bytes of an MP4 that browsers play.

    Raises:
        ImportError: if imageio is not installed.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder) / "video.mp4"
        options = {"codec": "libx264", "pixelformat": "yuv420p", "macro_block_size": 2}
        with imageio().get_writer(
            path,
            fps=fps,
            output_params=["-movflags", "faststart", "-preset", "veryfast"],
            **options,
        ) as writer:
            for frame in pictures:
                writer.append_data(frame)
        return path.read_bytes()


def imageio() -> ModuleType:
    """The package that writes videos.

    Raises:
        ImportError: if it is not installed; says how to install it.
    """
    try:
        import imageio_ffmpeg  # noqa: F401
        from imageio import v2
    except ImportError as error:
        raise ImportError(f"a video needs imageio: {installs('video')}") from error
    return v2
