"""The same training on every backend that is installed: same weights, same data, same order."""

import importlib.util
import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from barlow import backend

STEPS = 40
PROGRAM = f"""
import json, os, keras, numpy as np
import barlow
from barlow import data

images = data.digits().pixels[:256].astype("float32")
model = barlow.BarlowTwins(
    barlow.models.encoder("conv", (8, 8, 1)), projector=(64, 32), loss=barlow.losses.Barlow(0.02)
)
rng = np.random.default_rng(0)
for weight in model.trainable_weights:
    if len(weight.shape) > 1:  # the others begin as zeros or ones
        fan_in = np.prod(weight.shape[:-1])
        weight.assign(rng.normal(size=weight.shape) * np.sqrt(2 / fan_in))
steps = {STEPS}
schedule = barlow.optimizers.warmup_cosine(2e-3, steps, warmup_steps=10)
model.compile(keras.optimizers.AdamW(schedule, weight_decay=1e-4))

class Pairs(keras.utils.PyDataset):
    num_batches = None

    def __getitem__(self, step):
        random = np.random.default_rng(step)
        batch = images[random.permutation(256)[:128]]
        noisy = [batch + random.normal(size=batch.shape) * 30 for _ in range(2)]
        return ((noisy[0].astype("float32"), noisy[1].astype("float32")),)

history = model.fit(
    Pairs(), epochs=steps, steps_per_epoch=1, shuffle=False, verbose=0
).history
print(json.dumps({{"backend": keras.backend.backend(), **history}}))
"""


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="once for all, beside JAX")
def test_loss_curves_of_the_backends_agree():
    curves = {}
    for name in backend.BACKENDS:
        if importlib.util.find_spec(name):
            done = subprocess.run(
                [sys.executable, "-c", PROGRAM],
                env={**os.environ, "KERAS_BACKEND": name},
                stdout=subprocess.PIPE,
                check=True,
                text=True,
            )
            curves[name] = json.loads(done.stdout.splitlines()[-1])
            assert curves[name].pop("backend") == name
    assert len(curves) > 1
    first = curves.pop("jax")
    for curve in curves.values():
        for term in ("loss", "invariance", "redundancy"):
            expected = np.array(first[term])
            np.testing.assert_allclose(curve[term][:5], expected[:5], rtol=1e-4)
            np.testing.assert_allclose(curve[term], expected, rtol=0.05)
    assert first["loss"][-1] < 0.5 * first["loss"][0]
