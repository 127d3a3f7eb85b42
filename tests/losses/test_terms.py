import numpy as np
import pytest

from barlow.losses import Barlow, levels, terms


@pytest.fixture
def draw():
    """Batches of embeddings with independent features, standard normal."""
    rng = np.random.default_rng(0)
    return lambda: rng.normal(size=(16, 24)).astype("float32")


def test_the_terms_are_those_of_the_paper_and_add_up_to_the_loss(draw):
    za, zb = draw(), draw()
    a, b = ((z - z.mean(0)) / z.std(0) for z in (za, zb))
    c = a.T @ b / 16
    invariance, redundancy = terms(za, zb, lambda_=0.1)
    assert float(invariance) == pytest.approx(((1 - np.diag(c)) ** 2).sum(), rel=1e-4)
    off_diagonal = c[~np.eye(24, dtype=bool)]
    assert float(redundancy) == pytest.approx(0.1 * (off_diagonal**2).sum(), rel=1e-4)
    assert float(invariance + redundancy) == pytest.approx(
        float(Barlow(lambda_=0.1)(za, zb)), rel=1e-5
    )


def test_the_levels_are_the_mean_losses_of_unrelated_and_of_perfect_embeddings(draw):
    start, floor = levels(batch=16, features=24, lambda_=0.1)
    loss = Barlow(lambda_=0.1)
    unrelated = [float(loss(draw(), draw())) for _ in range(200)]
    perfect = [float(loss(z, z)) for z in (draw() for _ in range(200))]
    for level, found in ((start, unrelated), (floor, perfect)):
        assert abs(np.mean(found) - level) < 4 * np.std(found) / np.sqrt(200)


def test_levels_of_the_sizes_that_people_ask_about():
    # Measured by users of the paper's code: 2142 at the start, 82 and 167 at best.
    assert levels(256, 2048).start == pytest.approx(2142, rel=0.005)
    assert levels(256, 2048).floor == pytest.approx(82, rel=0.01)
    assert levels(2048, 8192).floor == pytest.approx(167, rel=0.03)


@pytest.mark.parametrize(("batch", "features"), [(1, 8), (8, 0)])
def test_levels_need_two_samples_and_a_feature(batch, features):
    with pytest.raises(ValueError, match=f"batch={batch}, features={features}"):
        levels(batch, features)
