"""The model of a run: encoder, projector, views, loss and optimizer, each built once."""

import operator
import os
import pathlib
from typing import NamedTuple

import keras

from barlow import backend, data, losses, models, recommendation, runs, views
from barlow.errors import InvalidInput
from barlow.recommendation import Recommendation
from barlow.settings import Settings


class Networks(NamedTuple):
    """What a run trains and keeps, and how."""

    model: models.BarlowTwins
    """Compiled."""
    encoder: keras.Model
    """The encoder that the run keeps, float32. It is the model's own unless that is not float32."""
    settings: Recommendation


def build(
    pixels: data.Pixels,
    settings: Settings | None,
    from_run: str | os.PathLike[str] | None = None,
    resumed: pathlib.Path | None = None,
) -> Networks:
    """Networks for training images, with what the settings leave open recommended.

    Args:
        pixels: Training images.
        settings: Values set explicitly.
        from_run: Run from whose encoder the weights start. Defaults to ``None``: those of the
            settings, or else random ones.
        resumed: Run that is resumed: its views stay, whatever is recommended now. Defaults to
            ``None``.

    Raises:
        FileNotFoundError: If ``from_run`` is not a run.
        ValueError: If a setting does not fit, or the weights or the encoder of ``from_run``, or if
            an encoder of the user's own could not be loaded from the run.
    """
    given = settings or Settings()
    image_shape = tuple(pixels.shape[1:])
    name = recommendation.encoder_for(image_shape) if given.encoder == "auto" else given.encoder
    policy = recommendation.dtype_policy(given)
    keras.utils.set_random_seed(operator.index(given.seed))  # NumPy's integers, too
    with backend.keras_defaults(policy):
        encoder = models.encoder(name, image_shape, given.weights)
        recommended = recommendation.recommend(len(pixels), image_shape, settings, encoder)
        model = models.BarlowTwins(
            encoder,
            projector=recommended.projector,
            views=views.ImageViews(_recipe(recommended, resumed), seed=recommended.seed),
            loss=losses.Barlow(lambda_=recommended.lambda_),
        )
    compile_for(model, recommended, len(pixels))
    if policy != "float32":
        with backend.keras_defaults("float32"):
            encoder = models.encoder(name, image_shape)
    if models.is_file(name) or models.is_function(name):
        module = name.partition(":")[0] if models.is_function(name) else ""
        models.check_kept(encoder, image_shape, module)
    if from_run is not None:
        models.copy_weights(model.encoder, runs.load_encoder(from_run), from_run)
    return Networks(model, encoder, recommended)


def _recipe(recommended: Recommendation, resumed: pathlib.Path | None) -> str | views.Recipe:
    """What may happen to an image: as the run has it that is resumed, or else by its name."""
    config = {} if resumed is None else runs.read_config(resumed)
    if config.get("views") != recommended.views:  # else it is refused later
        return recommended.views
    return views.Recipe(**config["views_recipe"])


def compile_for(model: models.BarlowTwins, recommended: Recommendation, images: int) -> None:
    """Compile a model for a training on a number of images.

    Raises:
        InvalidInput: If Keras cannot take several steps at once with this backend.
    """
    if recommended.steps_per_execution > 1 and keras.backend.backend() == "torch":
        raise InvalidInput(
            "Keras takes several steps at once with TensorFlow and JAX, not with PyTorch. "
            f"Received: steps_per_execution={recommended.steps_per_execution}. Leave it out, or "
            "set KERAS_BACKEND."
        )
    jit, piece = recommended.jit_compile, recommended.micro_batch_size
    model.compile(
        recommendation.optimizer(recommended, images),
        micro_batch_size=piece if piece and piece < recommended.batch_size else None,
        jit_compile="auto" if jit is None else jit,
        steps_per_execution=recommended.steps_per_execution,
    )
    model.optimizer.build(model.trainable_variables)  # else TensorFlow traces the step twice
