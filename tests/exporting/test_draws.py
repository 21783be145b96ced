"""The draws of a function as its inputs."""

import pytest
import torch

from nappo2.exporting.draws import recorded, replayed
from nappo2.seeds import generator


@pytest.mark.parametrize(
    ("draw", "law"),
    [
        (lambda rng: torch.rand(3, generator=rng), "uniform in [0, 1)"),
        (lambda rng: torch.randn(3, generator=rng), "standard normal"),
        (lambda rng: torch.randint(4, (3,), generator=rng), "uniform integers from 0 to 3"),
        (lambda rng: torch.randint(2, 4, (3,), generator=rng), "uniform integers from 2 to 3"),
        (
            lambda rng: torch.randint(low=-1, high=2, size=(3,), generator=rng),
            "uniform integers from -1 to 1",
        ),
        (lambda rng: torch.empty(3).exponential_(generator=rng), "exponential of mean 1"),
        (lambda rng: torch.empty(3).exponential_(4, generator=rng), "exponential of mean 0.25"),
        (lambda rng: torch.empty(3).uniform_(-1, 1, generator=rng), "uniform in [-1, 1)"),
        (lambda rng: torch.empty(3).normal_(generator=rng), "standard normal"),
        (
            lambda rng: torch.empty(3).normal_(1, std=2, generator=rng),
            "normal of mean 1 and deviation 2",
        ),
    ],
)
def test_a_draw_has_a_law_in_words_and_can_be_replaced(draw, law):
    record = recorded(lambda: draw(generator(0)))
    assert [draw.law for draw in record.draws] == [law]
    assert record.result.tolist() == record.draws[0].noise.tolist() == draw(generator(0)).tolist()
    given = torch.arange(3).to(record.result.dtype)
    assert replayed(lambda: draw(generator(0)), [given]).tolist() == [0, 1, 2]


def test_draws_are_replaced_in_order_and_in_place():
    """3 - 1 = 2, where the first is drawn into a tensor that was there before."""

    def difference():
        rng, x = generator(0), torch.zeros(2)
        x.exponential_(generator=rng)
        return x - torch.rand(2, generator=rng)

    noise = torch.tensor([3.0, 5.0]), torch.tensor([1.0, 1.0])
    assert replayed(difference, noise).tolist() == [2, 4]
    assert [draw.law for draw in recorded(difference).draws] == [
        "exponential of mean 1",
        "uniform in [0, 1)",
    ]


def test_what_is_drawn_is_not_what_is_made_of_it_later():
    def draw():
        return torch.rand(3, generator=generator(0)).mul_(0)

    record = recorded(draw)
    assert record.draws[0].noise.tolist() == torch.rand(3, generator=generator(0)).tolist()


def test_a_draw_whose_law_depends_on_tensors_is_refused():
    with pytest.raises(ValueError, match="draws by torch's multinomial, whose law may depend on"):
        recorded(lambda: torch.multinomial(torch.ones(3), 1, generator=generator(0)))


def test_tensors_that_are_used_are_known():
    x, y = torch.ones(2), torch.ones(2)
    assert id(x) in recorded(lambda: torch.cat([x, x])).used
    assert id(y) not in recorded(lambda: torch.cat([x, x])).used
