"""The formats: what writes them, what runs them, and how a program loads them."""

import importlib.util
from collections.abc import Mapping
from typing import NamedTuple

from barlow import own
from barlow.errors import InvalidInput, MissingPackage, did_you_mean

CHECK = "check.npz"
"""Images and the vectors of the original, by which an export is checked where it runs."""

FACTS = own.EXPORT
CARD = "README.md"


class Format(NamedTuple):
    """A format of exported encoders."""

    file: str
    """Name of the file, or of the folder."""
    title: str
    writes: Mapping[str, tuple[str, ...]]
    """By backend, in the order in which they are tried, the packages that write it there."""
    runs: tuple[str, ...]
    """Packages that run it."""
    load: str
    """Lines of Python from ``images``, float32, to ``vectors``; the working folder has the file."""
    remark: str = ""
    """What its users should know."""

    def called(self, name: str) -> "Format":
        """The same format with files and variables of another name than ``encoder``."""
        file, load, remark = (
            text.replace("encoder", name) for text in (self.file, self.load, self.remark)
        )
        return self._replace(file=file, load=load, remark=remark)


FORMATS: dict[str, Format] = {
    "keras": Format(
        "encoder.keras",
        "Keras",
        {"tensorflow": (), "jax": (), "torch": ()},
        ("keras",),
        """\
import keras
encoder = keras.saving.load_model("encoder.keras", compile=False)
vectors = keras.ops.convert_to_numpy(encoder(images, training=False))
""",
        "Keras needs TensorFlow, JAX or PyTorch; which one does not matter.",
    ),
    "saved_model": Format(
        "encoder",
        "TensorFlow SavedModel",
        {"tensorflow": ()},
        ("tensorflow",),
        """\
import tensorflow as tf
encoder = tf.saved_model.load("encoder")
vectors = encoder.serve(images).numpy()
""",
    ),
    "onnx": Format(
        "encoder.onnx",
        "ONNX",
        {"torch": ("onnx", "onnxscript"), "tensorflow": ("tf2onnx",)},
        ("onnxruntime",),
        """\
import onnxruntime
encoder = onnxruntime.InferenceSession("encoder.onnx")
(vectors,) = encoder.run(None, {encoder.get_inputs()[0].name: images})
""",
        "ONNX Runtime reports its usage to its makers from version 1.29 on, unless the environment "
        "variable `ORT_DISABLE_TELEMETRY` is `1`: set it.",
    ),
    "litert": Format(
        "encoder.tflite",
        "LiteRT (TensorFlow Lite)",
        {"tensorflow": ()},
        ("ai_edge_litert",),
        """\
from ai_edge_litert.interpreter import Interpreter
run = Interpreter("encoder.tflite").get_signature_runner()
(vectors,) = run(**dict.fromkeys(run.get_input_details(), images)).values()
""",
    ),
    "torch": Format(
        "encoder.pt2",
        "PyTorch, torch.export",
        {"torch": ()},
        ("torch",),
        """\
import torch
encoder = torch.export.load("encoder.pt2").module()
vectors = encoder(torch.from_numpy(images)).numpy(force=True)
""",
    ),
    "openvino": Format(
        "encoder.xml",
        "OpenVINO",
        {"torch": ("openvino",), "tensorflow": ("openvino",)},
        ("openvino",),
        """\
import openvino
encoder = openvino.compile_model("encoder.xml", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
vectors = encoder(images)[0]
""",
        "Without the hint OpenVINO computes with 16 bits on processors that can, and vectors "
        "are less exact. The weights are in `encoder.bin`: keep both files together.",
    ),
}
"""By name, every format."""

_PIP = {"ai_edge_litert": "ai-edge-litert"}  # where a package is not called as its module
_BACKENDS = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}


def find(name: str) -> Format:
    """The format of a name.

    Raises:
        InvalidInput: If there is none.
    """
    if name not in FORMATS:
        raise InvalidInput(
            f"There is no format {name!r}.{did_you_mean(name, FORMATS)} Known: "
            f"{', '.join(FORMATS)}."
        )
    return FORMATS[name]


def backend_for(name: str, current: str) -> str:
    """The backend that writes a format here.

    Args:
        name: Name of the format.
        current: The backend of this process, which writes Keras' own format.

    Raises:
        MissingPackage: If what writes or what runs the format is not installed.

    Example:
        >>> from barlow.export.formats import backend_for
        >>> backend_for("keras", current="jax")
        'jax'
    """
    format_ = find(name)
    # Keras' own format is the same from each; of the others the first holds the most networks.
    able = (current,) if current in format_.writes and name == "keras" else format_.writes
    there = [each for each in able if _is_installed(each)]
    if not there:
        named = " or ".join(_BACKENDS[each] for each in format_.writes)
        raise MissingPackage(
            f"{format_.title} is written by {named}, which is not installed. Install it with: "
            + " or ".join(f"pip install 'barlow[{each}]'" for each in format_.writes)
        )
    lacking = {
        each: [one for one in (*format_.writes[each], *format_.runs) if not _is_installed(one)]
        for each in there
    }
    chosen = min(there, key=lambda each: len(lacking[each]))
    if lacking[chosen]:
        names = dict.fromkeys(_PIP.get(each, each) for each in lacking[chosen])
        raise MissingPackage(
            f"{format_.title} needs {' and '.join(names)}. Install with: "
            f"pip install {' '.join(names)}"
        )
    return chosen


def _is_installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None
