"""What the recommended views of small grey images are worth, beside others, in few epochs.

    pip install 'barlow[tensorflow,bench]'
    python benchmarks/quality_views.py [--data FOLDER] [--only fashion_mnist characters]
        [--ways NAME ...] [--epochs 4] [--seeds 3]

The encoder learns from 50,000 of the training images of Fashion-MNIST and is tested on the other
10,000: the test images have no part in a choice. Or it learns from 62 letters and digits in many
fonts at 32 pixels, and is tested on those of a quarter of the packages. All but the views is as
`barlow.recommend` says. Logistic regression on 10 and 100 labels per class and on all, and 20
nearest neighbours weighted by their cosine, each accuracy with every seed. The results are written
after each training, and `--ways` runs some and keeps the rest.

The images are those of Debian's packages dataset-fashion-mnist and fonts-*, see `_pictures.py`.
"""

import argparse
import json
import pathlib
from typing import Any

import keras
import numpy as np
from _pictures import by_font, characters
from _results import RESULTS, machine, save

import barlow
from barlow import data, evaluation
from barlow.views import ImageViews

HELD_OUT = 10_000
SETS = ("fashion_mnist", "characters")
# Changes to the recipe `grey`.
WAYS: dict[str, dict[str, Any]] = {
    "recommended": {},
    "a fifth of the image and more": {"scale": (0.2, 1.0)},
    "light as of photographs": {"brightness": 0.4, "contrast": 0.4},
    "a fifth, light as of photographs": {
        "scale": (0.2, 1.0),
        "brightness": 0.4,
        "contrast": 0.4,
    },
    "blurred": {"blur": 0.5, "blur_sigma": (0.1, 1.0)},
    "erased": {"erase": 0.5, "erase_scale": (0.02, 0.2)},
    "turned": {"rotation": 10.0, "shear": 10.0},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="/usr/share/datasets/fashion-mnist")
    parser.add_argument("--only", nargs="+", choices=SETS, default=SETS, metavar="SET")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS), metavar="NAME")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    before = RESULTS / "quality_views.json"
    rows = json.loads(before.read_text())["rows"] if before.exists() else []
    for name in arguments.only:
        train, test = load(name, pathlib.Path(arguments.data))
        for way in arguments.ways:
            row: dict[str, Any] = {"set": name, "views": way, "epochs": arguments.epochs}
            row |= {"machine": machine(), "accuracies": {}}
            rows = [each for each in rows if (each["set"], each["views"]) != (name, way)] + [row]
            for seed in range(arguments.seeds):
                for probe, accuracy in worth(train, test, WAYS[way], arguments.epochs, seed):
                    row["accuracies"].setdefault(probe, []).append(accuracy)
                save("quality_views", rows, backend=keras.backend.backend())
            shown = (
                f"{probe} {', '.join(f'{each:.3f}' for each in accuracies)}"
                for probe, accuracies in row["accuracies"].items()
            )
            print(f"{name}, {way}:", *shown, sep="\n    ", flush=True)


def load(name: str, folder: pathlib.Path) -> tuple[data.Images, data.Images]:
    """Images to learn from, and to test on."""
    if name == "characters":
        return by_font(characters(32))
    images = data.load(folder / "train-images-idx3-ubyte.gz")
    return evaluation.split(images, HELD_OUT / len(images))


def worth(
    train: data.Images, test: data.Images, changes: dict[str, Any], epochs: int, seed: int
) -> list[tuple[str, float]]:
    """Accuracy by probe of what one training has learned."""
    keras.utils.set_random_seed(seed)
    shape = train.pixels.shape[1:]
    recommended = barlow.recommend(len(train), shape, barlow.Settings(epochs=epochs, seed=seed))
    encoder = barlow.models.encoder(recommended.encoder, shape)
    views = ImageViews(recommended.views, seed=seed, **changes)
    loss = barlow.losses.Barlow(lambda_=recommended.lambda_)
    model = barlow.BarlowTwins(encoder, recommended.projector, views, loss)
    model.compile(barlow.recommendation.optimizer(recommended, len(train)), jit_compile=False)
    batches = data.Batches(train.pixels, recommended.batch_size, seed)
    steps = batches.steps_per_epoch
    model.fit(batches, epochs=epochs, steps_per_epoch=steps, shuffle=False, verbose=0)
    features = [barlow.embed(encoder, images).vectors for images in (train, test)]
    scores = evaluation.probe(
        {"learned": (features[0], features[1])},
        np.asarray(train.labels),
        np.asarray(test.labels),
        labels_per_class=(10, 100),
        draws=5,
        neighbours=20,
        weights="cosine",
    )
    return [(f"{row.probe}, {row.labels_per_class or 'all'}", row.accuracy) for row in scores]


if __name__ == "__main__":
    main()
