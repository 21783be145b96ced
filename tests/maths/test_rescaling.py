"""Rescalings of returns, against rlax's numbers and by hand."""

import pytest
import torch

from nappo2.maths.rescaling import hyperbolic, signed_hyperbolic, signed_parabolic, unscaled
from nappo2.maths.returns import lambda_return
from nappo2.maths.values import of_action


def test_by_hand():
    """Of 3: sqrt(4) - 1 = 1, and a thousandth of 3; of -8: 1 - sqrt(9) = -2, and less 0.008."""
    x = torch.tensor([3.0, -8.0, 0.0])
    torch.testing.assert_close(signed_hyperbolic(x), torch.tensor([1.003, -2.008, 0.0]))
    torch.testing.assert_close(hyperbolic(0.0).apply(x), torch.tensor([1.0, -2.0, 0.0]))
    torch.testing.assert_close(hyperbolic(0.0).invert(torch.tensor([1.0, -2.0])), x[:2])


@pytest.mark.parametrize("rescaling", [hyperbolic(), hyperbolic(0.0), hyperbolic(0.1), unscaled()])
def test_the_inverse_gives_returns_back(rescaling):
    """Small and large ones, to five digits in float32, or to a millionth."""
    x = torch.tensor([-3012.33, -8.0, -1e-3, 0.0, 1e-4, 0.5, 4.43, 1e5])
    torch.testing.assert_close(rescaling.invert(rescaling.apply(x)), x, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(
        rescaling.apply(rescaling.invert(x[1:7])), x[1:7], rtol=1e-5, atol=1e-6
    )


def test_the_inverse_is_that_of_rlax():
    """Its formula in float64, of its test's values."""
    y = torch.tensor([-2.0, -1.0, -0.5, 0.5, 1.0, 2.0, 1.2, 2.2, -1.2, 4.2], dtype=torch.float64)
    eps = 1e-3
    z = (1 + 4 * eps * (eps + 1 + y.abs())).sqrt() / 2 / eps - 1 / 2 / eps
    torch.testing.assert_close(signed_parabolic(y, eps), y.sign() * (z**2 - 1), rtol=1e-9, atol=0)


def test_rescaled_q_lambda_has_rlaxs_errors():
    """Its golden numbers of ``transformed_q_lambda`` with ``SIGNED_HYPERBOLIC_PAIR``, lambda 3/4."""
    q = torch.tensor(
        [
            [[1.1, 2.1], [-1.1, 1.1], [3.1, -3.1]],
            [[2.1, 3.1], [-1.1, 0.1], [-2.1, -1.1]],
        ]
    )
    action = torch.tensor([[0, 1, 0], [1, 0, 0]])
    discount = torch.tensor([[0.0, 0.89, 0.85], [0.88, 1.0, 0.83]])
    reward = torch.tensor([[-1.3, -1.3, 2.3], [1.3, 5.3, -3.3]])
    next_q = torch.tensor(
        [
            [[1.2, 2.2], [-1.2, 0.2], [2.2, -1.2]],
            [[4.2, 2.2], [1.2, 1.2], [-1.2, -2.2]],
        ]
    )
    expected = torch.tensor([[-1.6179, 0.4633, -0.7576], [-1.1097, 1.6509, 0.3598]])
    h, going = hyperbolic(), torch.zeros(3, 2, dtype=torch.bool)
    next_value = h.invert(next_q.amax(-1))
    returns = lambda_return(reward.T, next_value.T, going, going, discount.T, 0.75)
    torch.testing.assert_close(
        h.apply(returns).T - of_action(q, action), expected, atol=1e-4, rtol=1e-3
    )


def test_a_slope_below_zero_is_refused():
    with pytest.raises(ValueError, match="eps is at least 0, not -1"):
        hyperbolic(-1.0)
