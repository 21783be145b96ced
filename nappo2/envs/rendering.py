"""Draws the simulators in torch as pictures [height, width, 3] uint8 with numpy, without a window."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from torch import Tensor

HEIGHT, WIDTH = 240, 360
DARK, BLUE, ORANGE = (40, 44, 52), (31, 95, 168), (200, 85, 27)


def blank() -> np.ndarray:
    """A white picture."""
    return np.full((HEIGHT, WIDTH, 3), 255, np.uint8)


def draw_line(
    frame: np.ndarray,
    start: Sequence[float],
    end: Sequence[float],
    width: float,
    colour: Sequence[int],
) -> None:
    """Draws a thick line with smooth edges into a picture, in place.

    Args:
        frame: the picture [HEIGHT, WIDTH, 3] uint8.
        start: x and y, in pixels from the upper left.
        end: x and y.
        width: in pixels.
        colour: red, green and blue from 0 to 255.
    """
    margin = width / 2 + 1
    (x0, y0), (x1, y1) = start, end
    left, right = _within(min(x0, x1) - margin, max(x0, x1) + margin, WIDTH)
    top, bottom = _within(min(y0, y1) - margin, max(y0, y1) + margin, HEIGHT)
    y, x = np.ogrid[top:bottom, left:right]
    dx, dy = x1 - x0, y1 - y0
    along = (((x - x0) * dx + (y - y0) * dy) / max(dx * dx + dy * dy, 1e-9)).clip(0, 1)
    distance = np.hypot(x - x0 - along * dx, y - y0 - along * dy)
    cover = (width / 2 + 0.5 - distance).clip(0, 1)[..., None]  # smooth at its edges
    part = frame[top:bottom, left:right]
    part[:] = (part * (1 - cover) + np.array(colour) * cover).astype(np.uint8)


def _within(low: float, high: float, size: int) -> tuple[int, int]:
    return max(0, int(low)), min(size, int(high) + 1)


def draw_cartpole(physics: Tensor) -> np.ndarray:
    """Draws the cart and the pole of a CartPole state [4]."""
    position, _, angle, _ = physics.tolist()
    frame, scale, ground = blank(), WIDTH / 5.2, 0.72 * HEIGHT
    cart = WIDTH / 2 + scale * position
    draw_line(frame, (0, ground + 14), (WIDTH, ground + 14), 1, DARK)
    draw_line(frame, (cart - 18, ground), (cart + 18, ground), 22, BLUE)
    tip = cart + 1.6 * scale * np.sin(angle), ground - 1.6 * scale * np.cos(angle)
    draw_line(frame, (cart, ground - 4), tip, 8, ORANGE)
    return frame


def draw_pendulum(physics: Tensor) -> np.ndarray:
    """Draws a pendulum state [2]; upright is above."""
    angle, _ = physics.tolist()
    frame, (x, y), length = blank(), (WIDTH / 2, HEIGHT / 2), 0.42 * HEIGHT
    tip = x - length * np.sin(angle), y - length * np.cos(angle)
    draw_line(frame, (x, y), tip, 14, ORANGE)
    draw_line(frame, (x, y), (x, y), 8, DARK)
    return frame


def draw_mountain_car(physics: Tensor) -> np.ndarray:
    """Draws the valley, the flag on the right, and the car of a MountainCar state [2]."""

    def at(x):
        return WIDTH * (x + 1.25) / 1.9, HEIGHT * (0.55 - 0.3 * np.sin(3 * x))

    frame, hill = blank(), [at(x) for x in np.linspace(-1.2, 0.6, 40)]
    for start, end in pairwise(hill):
        draw_line(frame, start, end, 2, DARK)
    x, y = at(0.5)
    draw_line(frame, (x, y), (x, y - 40), 2, DARK)
    draw_line(frame, (x, y - 36), (x + 14, y - 36), 8, BLUE)
    x, y = at(float(physics[0]))
    draw_line(frame, (x - 7, y - 10), (x + 7, y - 10), 14, ORANGE)
    return frame


def draw_acrobot(physics: Tensor) -> np.ndarray:
    """Draws the two links of an Acrobot state [4], and the line that the tip has to cross."""
    first, second, *_ = physics.tolist()
    frame, (x, y), length = blank(), (WIDTH / 2, HEIGHT / 2), 0.23 * HEIGHT
    draw_line(frame, (0, y - length), (WIDTH, y - length), 1, DARK)
    joint = x + length * np.sin(first), y + length * np.cos(first)
    both = first + second
    tip = joint[0] + length * np.sin(both), joint[1] + length * np.cos(both)
    draw_line(frame, (x, y), joint, 10, BLUE)
    draw_line(frame, joint, tip, 10, ORANGE)
    return frame


def draw_board(image: Tensor) -> np.ndarray:
    """Enlarges an image [1, rows, columns] uint8 to the size of the other pictures, in black on white."""
    board = 255 - image[0].numpy()
    side = max(1, min(HEIGHT // board.shape[0], WIDTH // board.shape[1]))
    return np.repeat(np.kron(board, np.ones((side, side), np.uint8))[..., None], 3, -1)


def draw_rooms(image: Tensor) -> np.ndarray:
    """Enlarges an image [3, rows, columns] uint8 of walls, agent and goal, in colours on white."""
    board = np.full((*image.shape[1:], 3), 255, np.uint8)
    for channel, colour in zip(image.numpy(), (DARK, BLUE, ORANGE), strict=True):
        board[channel > 0] = colour
    side = min(HEIGHT // board.shape[0], WIDTH // board.shape[1])
    return board.repeat(side, 0).repeat(side, 1)
