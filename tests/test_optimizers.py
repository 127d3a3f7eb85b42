import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers, ops

from barlow.optimizers import LARS, AdamW, Muon, warmup_cosine

SHAPES = {"kernel": (5, 4), "filters": (3, 3, 2, 4), "bias": (4,), "scale": ()}


def lars(weights, gradients, rates, momentum, trust, decay, bias_multiplier):
    """The published update, variable by variable, in float64."""
    states = {name: np.zeros_like(weight) for name, weight in weights.items()}
    for step, rate in enumerate(rates):
        for name, weight in weights.items():
            change = gradients[step][name]
            own_rate = rate
            if weight.ndim > 1:
                change = change + decay * weight
                norms = np.linalg.norm(weight.ravel()), np.linalg.norm(change.ravel())
                if norms[0] > 0 and norms[1] > 0:
                    change = change * trust * norms[0] / norms[1]
            else:
                own_rate = rate * bias_multiplier
            states[name] = momentum * states[name] + change
            weights[name] = weight - own_rate * states[name]
    return weights


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_steps_are_those_of_the_paper(momentum, decay):
    rng = np.random.default_rng(0)
    weights = {name: rng.normal(size=shape) for name, shape in SHAPES.items()}
    weights["zero weights"] = np.zeros((3, 2))
    weights["zero gradient"] = rng.normal(size=(3, 2))
    gradients = [
        {name: 10 * rng.normal(size=weight.shape) for name, weight in weights.items()}
        for _ in range(6)
    ]
    for each in gradients:
        each["zero gradient"][:] = 0
    schedule = warmup_cosine(0.5, steps=6, warmup_steps=2)
    variables = {name: keras.Variable(weight) for name, weight in weights.items()}
    optimizer = LARS(schedule, momentum, 0.02, weight_decay=decay, bias_multiplier=0.1)
    for each in gradients:
        tensors = [ops.convert_to_tensor(each[name], "float32") for name in variables]
        optimizer.apply(tensors, list(variables.values()))

    rates = [float(schedule(step)) for step in range(6)]
    expected = lars(weights, gradients, rates, momentum, 0.02, decay, 0.1)
    for name, variable in variables.items():
        np.testing.assert_allclose(
            ops.convert_to_numpy(variable), expected[name], rtol=1e-5, atol=1e-6, err_msg=name
        )


def muon(weights, gradients, rates, momentum, decay):
    """The published update of the kernels, by singular values, in float64."""
    states = {name: np.zeros_like(weight) for name, weight in weights.items()}
    for step, rate in enumerate(rates):
        for name, weight in weights.items():
            states[name] = momentum * states[name] + gradients[step][name]
            ahead = gradients[step][name] + momentum * states[name]
            u, values, v = np.linalg.svd(ahead.reshape(-1, ahead.shape[-1]), full_matrices=False)
            values /= max(np.linalg.norm(values), 1e-30)
            for _ in range(5):
                values = 3.4445 * values - 4.7750 * values**3 + 2.0315 * values**5
            length = 0.2 * np.sqrt(max(u.shape[0], v.shape[1]))
            change = (length * u @ np.diag(values) @ v).reshape(weight.shape)
            weights[name] = weight - rate * decay * weight - rate * change
    return weights


@pytest.mark.parametrize(
    ("momentum", "decay"),
    [
        *((0.0, 0.0), (0.95, 0.3)),
        *(pytest.param(*each, marks=pytest.mark.once) for each in ((0.0, 0.3), (0.95, 0.0))),
    ],
)
def test_kernels_take_the_published_steps_of_muon_and_all_else_those_of_adamw(momentum, decay):
    rng = np.random.default_rng(0)
    shapes = {"tall": (3, 3, 2, 4), "wide": (2, 2, 1, 7), "signals": (3, 2, 5), "zero": (2, 2, 2)}
    shapes |= {"matrix": (5, 4), "bias": (4,), "scale": ()}
    weights = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    gradients = [{name: 10 * rng.normal(size=shapes[name]) for name in shapes} for _ in range(6)]
    for each in gradients:
        each["zero"] = np.zeros(shapes["zero"])
    schedule = warmup_cosine(0.05, steps=6, warmup_steps=2)

    def train(optimizer):
        variables = {name: keras.Variable(weight) for name, weight in weights.items()}
        for each in gradients:
            tensors = [ops.convert_to_tensor(each[name], "float32") for name in variables]
            optimizer.apply(tensors, list(variables.values()))
        return {name: ops.convert_to_numpy(variable) for name, variable in variables.items()}

    found = train(Muon(schedule, momentum, decay))
    expected = train(keras.optimizers.AdamW(schedule, weight_decay=decay))
    kernels = {name: weight for name, weight in weights.items() if weight.ndim >= 3}
    rates = [float(schedule(step)) for step in range(6)]
    expected |= muon(kernels, gradients, rates, momentum, decay)
    for name, value in found.items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-5, atol=1e-5, err_msg=name)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6), st.sampled_from([(3, 3, 4, 6), (2, 2, 2, 30)]))
def test_a_step_of_muon_is_as_long_in_every_direction(seed, shape):
    gradient = np.random.default_rng(seed).normal(size=shape)
    kernel = keras.Variable(np.zeros(shape))
    Muon(1.0, weight_decay=0.0).apply([ops.convert_to_tensor(gradient, "float32")], [kernel])
    step = ops.convert_to_numpy(kernel).reshape(-1, shape[-1])
    length = 0.2 * np.sqrt(max(step.shape))
    singular = np.linalg.svd(step, compute_uv=False)
    assert (0.6 * length < singular).all()
    assert (singular < 1.3 * length).all()
    assert (step * gradient.reshape(step.shape)).sum() < 0  # downhill


def network():
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            layers.Input((2, 2, 3)),
            layers.Conv2D(8, 2),
            layers.Flatten(),
            layers.BatchNormalization(),
            layers.Dense(1),
        ]
    )


def examples(number):
    rng = np.random.default_rng(0)
    return rng.normal(size=(number, 2, 2, 3)), rng.normal(size=(number, 1))


def moved(optimizer, scale):
    """Change of each trainable variable in a compiled step whose loss is scaled."""
    model = network()
    before = [ops.convert_to_numpy(variable) for variable in model.trainable_variables]
    model.compile(optimizer, loss=lambda true, predicted: scale * ops.square(true - predicted))
    model.fit(*examples(16), batch_size=16, verbose=0)
    return [
        ops.convert_to_numpy(variable) - start
        for variable, start in zip(model.trainable_variables, before, strict=True)
    ]


def test_weights_move_whatever_the_scale_of_the_loss_and_biases_with_it():
    once, tenfold = (moved(LARS(0.1, weight_decay=0.0), scale) for scale in (1.0, 10.0))
    assert [change.ndim for change in once] == [4, 1, 1, 1, 2, 1]
    for alone, scaled in zip(once, tenfold, strict=True):
        scale = 1.0 if alone.ndim > 1 else 10.0
        # A scale is about 1, where float32 has steps of 1.2e-7: ten times that is rounding.
        np.testing.assert_allclose(scaled, scale * alone, rtol=1e-3, atol=1.2e-6)


def test_kernels_move_by_muon_whatever_the_scale_of_the_loss():
    once, tenfold = (moved(Muon(0.1, weight_decay=0.0), scale)[0] for scale in (1.0, 10.0))
    assert np.abs(once).max() > 0.01
    np.testing.assert_allclose(tenfold, once, rtol=1e-3, atol=1e-5)


def test_a_step_changes_a_layer_by_the_trust_coefficient():
    weight = np.random.default_rng(0).normal(size=(6, 5))
    variable = keras.Variable(weight)
    LARS(0.5, trust_coefficient=0.01).apply([ops.ones((6, 5))], [variable])
    change = np.linalg.norm(ops.convert_to_numpy(variable) - weight)
    np.testing.assert_allclose(change, 0.5 * 0.01 * np.linalg.norm(weight), rtol=1e-4)


@pytest.mark.parametrize("highest", [0.4, 0.9999])
@pytest.mark.parametrize("kind", [AdamW, LARS, Muon])
def test_an_average_begins_with_the_first_weights_and_its_momentum_grows(kind, highest):
    rng = np.random.default_rng(0)
    kernel = keras.Variable(rng.normal(size=(3, 3, 2, 4)))
    optimizer = kind(0.5, use_ema=True, ema_momentum=highest)
    average = 0.0
    for step in range(12):
        gradient = ops.convert_to_tensor(rng.normal(size=kernel.shape), "float32")
        optimizer.apply([gradient], [kernel])
        momentum = min(highest, (1 + step) / (10 + step)) if step else 0.0
        weights = ops.convert_to_numpy(kernel).astype("float64")
        average = momentum * average + (1 - momentum) * weights
    optimizer.finalize_variable_values([kernel])
    np.testing.assert_allclose(ops.convert_to_numpy(kernel), average, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [(LARS, (0.8, 0.01, 0.02, 0.03)), (Muon, (0.8, 0.02)), (AdamW, ())],
)
def test_a_saved_model_continues_exactly(tmp_path, kind, arguments):
    x, y = examples(32)

    def train(model):
        model.fit(x, y, batch_size=16, epochs=2, shuffle=False, verbose=0)

    model = network()
    model.compile(kind(warmup_cosine(0.3, 8, 2), *arguments, ema_momentum=0.9), loss="mse")
    train(model)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert isinstance(loaded.optimizer, kind)
    assert loaded.optimizer.get_config() == model.optimizer.get_config()
    for each in (model, loaded):
        train(each)
    for expected, found in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("warmup", [0, 1, 10])
def test_the_learning_rate_is_that_of_the_paper(warmup):
    steps, highest = 40, 0.7
    schedule = warmup_cosine(highest, steps, warmup)
    for step in range(steps + 1):
        if step < warmup:
            expected = highest * step / warmup
        else:
            part = 0.5 * (1 + np.cos(np.pi * (step - warmup) / (steps - warmup)))
            expected = highest * part + 0.001 * highest * (1 - part)
        np.testing.assert_allclose(float(schedule(step)), expected, rtol=1e-5, err_msg=step)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"momentum": 1.0}, "`momentum` must be from 0 to below 1. Received: 1.0"),
        ({"trust_coefficient": 0.0}, "`trust_coefficient` must be above 0. Received: 0.0"),
        ({"weight_decay": -1.0}, "`weight_decay` must be at least 0. Received: -1.0"),
        ({"bias_multiplier": float("nan")}, "`bias_multiplier` must be at least 0. Received: nan"),
    ],
)
def test_arguments_out_of_bounds_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        LARS(**arguments)


@pytest.mark.parametrize("momentum", [-0.1, 1.0, float("nan")])
def test_a_momentum_of_muon_out_of_bounds_is_refused(momentum):
    with pytest.raises(ValueError, match=f"from 0 to below 1. Received: {momentum}"):
        Muon(momentum=momentum)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0.0, 10), "`learning_rate` must be above 0. Received: 0.0"),
        ((0.1, 10, 10), "Received: warmup_steps=10, steps=10"),
        ((0.1, 10, -1), "Received: warmup_steps=-1, steps=10"),
    ],
)
def test_schedules_out_of_bounds_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        warmup_cosine(*arguments)
