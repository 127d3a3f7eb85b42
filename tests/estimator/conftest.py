"""What the tests of the transformer share."""

import pytest
from tiny import TINY

import barlow
from barlow.estimator import BarlowTransformer


@pytest.fixture(scope="module")
def digits():
    return barlow.data.digits()[:96]


@pytest.fixture(scope="module")
def run(digits, tmp_path_factory):
    return barlow.pretrain(digits, tmp_path_factory.mktemp("runs") / "run", TINY)


@pytest.fixture(scope="module")
def fitted(digits):
    return BarlowTransformer(settings=TINY).fit(digits.pixels)
