"""Convert an encoder, on the backend of this process: ``python -m barlow.export.converting``.

The request comes as JSON on the standard input: whether to write images and their vectors, and the
format to write, if any.
"""

import json
import pathlib
import sys
from typing import Any

import keras
import numpy as np

from barlow import backend, embedding, runs
from barlow.export.checking import BATCHES
from barlow.export.formats import CHECK
from barlow.models.plain import as_float32, without_barlow


def main() -> None:
    """Do what is asked for, and answer with what the encoder is."""
    request = json.loads(sys.stdin.read())
    encoder = as_float32(runs.load_encoder(request["encoder"]))
    shape = tuple(request["image_shape"])
    folder = pathlib.Path(request["folder"])
    if request["examples"]:
        images = examples(shape)
        vectors = backend.predict(encoder, images).astype("float32")
        np.savez_compressed(folder / CHECK, images=images, vectors=vectors)
    if request["format"]:
        path = folder / request["file"]
        convert(without_barlow(encoder), request["format"], path, shape)
    answer = {"features": encoder.output_shape[-1], "weights": embedding.weights_hash(encoder)}
    pathlib.Path(request["answer"]).write_text(json.dumps(answer))


def examples(shape: tuple[int, ...]) -> np.ndarray:
    """Images to compare vectors on: from a single colour to noise; values 0 .. 255, float32.

    Args:
        shape: Of an image.
    """
    noise = np.random.default_rng(0).uniform(0, 255, (max(BATCHES), *shape))
    means = noise.mean(axis=tuple(range(1, noise.ndim - 1)), keepdims=True)
    strength = np.linspace(0, 1, len(noise)).reshape(-1, *[1] * len(shape))
    return np.rint(means + strength * (noise - means)).astype("float32")


def convert(
    encoder: keras.Model, format_name: str, file: pathlib.Path, shape: tuple[int, ...]
) -> None:
    """Write an encoder in a format.

    Args:
        encoder: Model from images.
        format_name: Name of the format.
        file: Where to write.
        shape: Of an image. The number of images in a batch stays open.
    """
    path = str(file)
    if format_name == "keras":
        encoder.save(path)
        return
    on_torch = keras.backend.backend() == "torch"
    if format_name == "torch" or (format_name == "onnx" and on_torch):
        _with_torch(encoder, format_name, path, shape)
        return
    if format_name == "openvino":
        # Without this package OpenVINO has nothing to report its usage with.
        sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    encoder.export(
        path,
        format={"saved_model": "tf_saved_model"}.get(format_name, format_name),
        verbose=False,
        input_signature=[keras.InputSpec(shape=(None, *shape), dtype="float32", name="images")],
    )


def _with_torch(encoder: keras.Model, format_name: str, path: str, shape: tuple[int, ...]) -> None:
    """``torch.export``, and ONNX from what it gives, which has the batch open for any network."""
    import torch  # noqa: PLC0415

    images = (torch.from_numpy(examples(shape)[:2]),)
    batch = {0: torch.export.Dim.DYNAMIC}
    with torch.no_grad():
        program = torch.export.export(encoder.eval(), images, dynamic_shapes=[(batch,)])  # type: ignore[arg-type]
    if format_name == "torch":
        torch.export.save(program, path)
        return
    written: Any = torch.onnx.export(
        program,
        images,
        dynamo=True,
        verbose=False,
        input_names=["images"],
        output_names=["vectors"],
    )
    written.optimize()
    written.save(path, external_data=False)


if __name__ == "__main__":
    main()
