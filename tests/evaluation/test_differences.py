"""Whether one encoder is better than another, or only luckier with the test images."""

import numpy as np
import pytest

from barlow.errors import InvalidInput
from barlow.evaluation import paired_interval
from barlow.evaluation.differences import Difference, differences, verdict

pytestmark = pytest.mark.once


def answers(only_first, only_second, both, none=0):
    """Right and wrong on each image, of two encoders."""
    right = [True] * only_first + [False] * only_second + [True] * both + [False] * none
    other = [False] * only_first + [True] * only_second + [True] * both + [False] * none
    return np.array(right), np.array(other)


@pytest.mark.parametrize("count", [30, 100, 1000])
@pytest.mark.parametrize(
    ("only_first", "only_second"), [(0.05, 0.05), (0.2, 0.1), (0.02, 0.01), (0.3, 0.02)]
)
def test_the_interval_holds_the_true_difference_in_95_of_100_sets_of_images(
    count, only_first, only_second
):
    random, repeats = np.random.default_rng(0), 2000
    cells = [only_first, only_second, 1 - only_first - only_second]
    drawn = random.multinomial(count, cells, repeats)
    kinds, times = np.unique(drawn, axis=0, return_counts=True)
    held = 0
    for (first, second, both), number in zip(kinds, times, strict=True):
        low, high = paired_interval(*answers(first, second, both))
        held += number * (low <= only_first - only_second <= high)
    # At least 95 %, but for three deviations of the simulation; small sets have more.
    assert held / repeats > 0.95 - 3 * np.sqrt(0.95 * 0.05 / repeats)
    assert held / repeats < (1.0001 if count * min(only_first, only_second) < 5 else 0.97)


@pytest.mark.parametrize("cells", [(10, 3, 80, 7), (1, 0, 5, 0), (0, 0, 9, 1), (40, 0, 0, 0)])
def test_the_interval_is_that_of_agresti_and_min(cells):
    b, c = cells[0] + 0.5, cells[1] + 0.5
    n = sum(cells) + 2
    half = 1.959963985 * np.sqrt((b + c) - (b - c) ** 2 / n) / n
    expected = np.clip([(b - c) / n - half, (b - c) / n + half], -1, 1)
    low, high = paired_interval(*answers(*cells))
    np.testing.assert_allclose([low, high], expected, rtol=1e-8)
    assert low <= (cells[0] - cells[1]) / sum(cells) <= high
    other, right = answers(*cells)
    np.testing.assert_allclose(paired_interval(right, other), [-high, -low], rtol=1e-12)


def test_of_equal_encoders_a_better_one_is_seen_in_5_of_100_comparisons_however_many_there_are():
    random, seen, repeats = np.random.default_rng(0), 0, 400
    for _ in range(repeats):
        right = {str(name): random.random(500) < 0.8 for name in range(4)}
        seen += not all(each.is_chance for each in differences(right))
    assert seen / repeats < 0.05 + 3 * np.sqrt(0.05 * 0.95 / repeats)


def test_the_best_is_compared_with_all_others_in_their_order():
    right = {"c": np.arange(100) < 50, "a": np.arange(100) < 90, "b": np.arange(100) < 88}
    found = differences(right)
    assert [(each.first, each.second) for each in found] == [("a", "b"), ("a", "c")]
    assert [each.accuracy for each in found] == pytest.approx([0.02, 0.4])
    assert [each.is_chance for each in found] == [True, False]
    words = verdict(found)
    assert words.startswith("The difference between a and b is within chance (+2.0 points, ")
    assert "Less accurate by more than chance: c (+40.0 points, " in words


def test_the_verdict_names_the_one_to_take():
    words = verdict([Difference("a", "b", 0.1, 0.05, 0.15), Difference("a", "c", 0.2, 0.1, 0.3)])
    assert words == (
        "Take a: it is more accurate than b and c by more than chance "
        "(+10.0 points, 5.0 to 15.0; +20.0 points, 10.0 to 30.0)."
    )
    assert verdict([]) == ""


@pytest.mark.parametrize(
    ("one", "other"), [([], []), ([True], [True, False]), ([[True]], [[True]])]
)
def test_answers_to_other_images_are_refused(one, other):
    with pytest.raises(InvalidInput, match="for the same images"):
        paired_interval(one, other)
