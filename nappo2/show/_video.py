"""What a policy does, as a film."""

from base64 import b64encode
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import torch

from nappo2.checks import checked
from nappo2.envs import Env
from nappo2.params import Params, Plain, beside_environments
from nappo2.pipeline import positive
from nappo2.policies import Policy, action_of
from nappo2.policies.fitting import first_act
from nappo2.seeds import fold_in, generator, split


class Video(NamedTuple):
    """An MP4, and what happens in it.

    Attributes:
        mp4: the file.
        num_frames: in it.
        score: the return of the episode, as far as it is shown.
        ended: whether the episode ends in it; otherwise it was cut after ``num_steps`` steps.
    """

    mp4: bytes
    num_frames: int
    score: float
    ended: bool = True

    def save(self, path: str | Path) -> Path:
        """Writes it to a file."""
        Path(path).write_bytes(self.mp4)
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
    env: Env, policy: Policy, params: Params, num_steps: int = 300, seed: int = 0, fps: int = 30
) -> Video:
    """A film of the first environment, until its first episode ends, or for ``num_steps`` steps.

    Raises:
        ImportError: without imageio; says how to install it.
        ValueError: if the environment cannot be rendered; says how one is made that can.
    """
    positive(num_steps=num_steps, fps=fps)
    found, score = frames(env, policy, params, num_steps, seed)
    return Video(encoded(found, fps), len(found), score, ended=len(found) <= num_steps)


@torch.no_grad()
def frames(
    env: Env, policy: Policy, params: Params, num_steps: int, seed: int
) -> tuple[list, float]:
    """Pictures [height, width, 3] of uint8, of the first environment, and its return.

    One picture more than steps, if the episode does not end; then its end is not to be seen.
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
        found = [rendered(env, state)]
        for _ in range(num_steps):
            decision, memory = act(plain, observation, memory, rng)
            act = policy.act
            state, observation, outcome = env.step(state, action_of(decision))
            done = outcome.terminated | outcome.truncated
            memory, score = policy.reset(memory, done, rng), score + float(outcome.reward[0])
            if done[0]:
                break  # what it reached is not to be seen, as it is reset at once
            found.append(rendered(env, state))
    finally:
        env.close(state)
    return found, score


def rendered(env: Env, state) -> np.ndarray:
    """A picture of the first environment, with even sides, as codecs need them."""
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


def encoded(found: list[np.ndarray], fps: int) -> bytes:
    """An MP4, as browsers play it."""
    try:
        import imageio_ffmpeg  # noqa: F401
        from imageio import v2 as imageio
    except ImportError as error:
        raise ImportError("a video needs imageio: pip install 'nappo2[video]'") from error
    with TemporaryDirectory() as folder:
        path = Path(folder) / "video.mp4"
        options = {"codec": "libx264", "pixelformat": "yuv420p", "macro_block_size": 2}
        with imageio.get_writer(
            path,
            fps=fps,
            output_params=["-movflags", "faststart", "-preset", "veryfast"],
            **options,
        ) as writer:
            for frame in found:
                writer.append_data(frame)
        return path.read_bytes()
