"""The model card: what an exported encoder is, what it learned from, and how to load it.

In the form that the Hugging Face Hub reads: Markdown with its facts in YAML at the top.
"""

import hashlib
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from barlow import runs
from barlow.export.formats import CHECK, Format
from barlow.own import IMAGES
from barlow.text import printable

RESIZED = {
    "crop": ("cut to their middle and resized", "ImageOps.fit(photo, {size}, Image.BICUBIC)"),
    "pad": ("resized and padded", "ImageOps.pad(photo, {size}, Image.BICUBIC, {background!r})"),
    "stretch": ("resized, whatever their ratio,", "photo.resize({size}, Image.BICUBIC)"),
}
"""How images came to their size, in words and with Pillow."""

_SEEN = {  # the recipe of views, in words, where a value is not that of an image left as it is
    "shift": "shifts of up to {:.0%} of the side",
    "rotation": "rotation of up to {:g} degrees",
    "shear": "shear of up to {:g} degrees",
    "flip": "left and right exchanged",
    "brightness": "brightness",
    "contrast": "contrast",
    "saturation": "saturation",
    "hue": "hue",
    "grey": "colour or grey",
    "solarize": "bright parts inverted",
    "blur": "blur",
    "erase": "parts that are covered",
    "noise": "noise",
}


def card(
    name: str,
    format_: Format,
    run: pathlib.Path | None,
    facts: Mapping[str, Any],
) -> str:
    """The text of a model card.

    Args:
        name: Name of the encoder.
        format_: The format of its file.
        run: The folder of its run, or ``None`` if it came without.
        facts: Those of ``export.json``.
    """
    config = runs.read_config(run) if run else {}
    sections = [
        _head(facts),
        f"# {printable(name)}",
        _what(facts, config),
        _loading(format_, facts),
        "## What it learned from\n\n" + _data(run, config),
    ]
    if run:
        sections += [
            "## How it learned\n\n" + _training(run) + "\n\n" + _settings(config),
            "## What it is worth\n\n" + _results(run),
        ]
    if facts.get("classes"):
        sections.append("## What it is worth\n\n" + _figures(facts.get("labelling") or {}))
    sections += ["## Limits\n\n" + _limits(config, format_), _checked(facts, format_)]
    return "\n\n".join(sections) + "\n"


def _head(facts: Mapping[str, Any]) -> str:
    library = {"saved_model": "tensorflow", "torch": "pytorch"}.get(
        facts["format"], facts["format"]
    )
    image = len(facts["image_shape"]) == 3
    pipeline = "image-feature-extraction" if image else "feature-extraction"
    if facts.get("classes"):
        pipeline = "image-classification" if image else "tabular-classification"
    tags = ["barlow", "barlow-twins", "self-supervised-learning", pipeline.removeprefix("image-")]
    lines = [f"library_name: {library}", f"pipeline_tag: {pipeline}", "tags:"]
    return "\n".join(["---", *lines, *(f"- {tag}" for tag in tags), "---"])


def _what(facts: Mapping[str, Any], config: Mapping[str, Any]) -> str:
    shape = facts["image_shape"]
    classes = facts.get("classes")
    if len(shape) == 3:
        height, width, channels = shape
        colour = {1: "grey", 3: "colour"}.get(channels, f"{channels} channels")
        takes = f"images of {height} x {width} pixels ({colour}), values 0 .. 255,"
    else:
        takes = f"arrays of shape {' x '.join(map(str, shape))}, as it was trained on,"
    if classes:
        return (
            f"A classifier: {takes} become probabilities of {len(classes)} classes. It learned "
            "from few labels, on an encoder that learned without any, by Barlow Twins "
            "([Zbontar et al., 2021](https://arxiv.org/abs/2103.03230)), with barlow "
            f"{facts['versions']['barlow']}.\n\n"
            f"The classes, in the order of the columns:\n\n```json\n{json.dumps(classes)}\n```"
        )
    network = f" The network is `{printable(config['encoder'])}`." if config else ""
    return (
        f"An encoder: {takes} become vectors of {facts['features']} numbers. Images that look "
        "alike to it have vectors of a similar direction, so compare by cosine similarity. It "
        "learned without labels, by Barlow Twins "
        "([Zbontar et al., 2021](https://arxiv.org/abs/2103.03230)), with barlow "
        f"{facts['versions']['barlow']}.{network}"
    )


def _loading(format_: Format, facts: Mapping[str, Any]) -> str:
    shape = ", ".join(map(str, facts["image_shape"]))
    packages = " ".join(f"{name}=={version}" for name, version in facts["packages"].items())
    load = format_.load
    if facts.get("classes"):
        load = load.replace("vectors", "probabilities")
    text = f"""\
## How to load it

In the folder of this card, where {packages} ran it:

```python
import numpy as np
images = np.random.default_rng(0).uniform(0, 255, (4, {shape})).astype("float32")  # yours
{load}```
"""
    if len(facts["image_shape"]) == 3:
        height, width, channels = facts["image_shape"]
        mode, background = "L" if channels == 1 else "RGB", facts["background"]
        how, call = RESIZED[facts["resize"]]
        text += f"""
Any number of images at a time. It saw photos {how} like this:

```text
photo = ImageOps.exif_transpose(Image.open("photo.jpg")).convert("RGBA")  # upright
below = Image.new("RGBA", photo.size, {background!r})
photo = Image.alpha_composite(below, photo).convert("{mode}")
image = {call.format(size=(width, height), background=background)}
images = np.asarray(image, "float32").reshape(1, {shape})
```
"""
    return f"{text}\n{format_.remark}".strip()


def _data(run: pathlib.Path | None, config: Mapping[str, Any]) -> str:
    if run is None:
        return "Not known: the encoder was exported without its run."
    shape = " x ".join(map(str, config["image_shape"]))
    text = f"{config['images']:,} images without labels, of {shape} values each."
    if (run / IMAGES).is_file():
        with np.load(run / IMAGES) as hashes:
            digest = hashlib.sha256(np.sort(hashes["content"]).tobytes()).hexdigest()
        text += f" Hash of the set, in any order: `{digest[:16]}`."
    if config.get("from_run"):
        text += f" It began with the weights of the run `{printable(config['from_run'])}`."
    if config.get("weights"):
        text += f" It began with the weights `{printable(config['weights'])}`."
    return f"{text} Say here what they show, where they are from and under which licence."


def _training(run: pathlib.Path) -> str:
    ended = runs.summary(run)
    text = (
        f"{ended.epochs} of {ended.planned} epochs. The loss ended at {ended.metrics['loss']:.4g}; "
        f"unrelated vectors would have {ended.start:.4g}, perfect ones {ended.floor:.4g}."
    )
    if "rank_me" in ended.metrics:
        text += f" RankMe: {ended.metrics['rank_me']:.0f} independent features."
    return text


def _settings(config: Mapping[str, Any]) -> str:
    rows = [
        (name.rstrip("_"), _text(config[name]), reason)
        for name, reason in config["reasons"].items()
    ]
    return _table(("setting", "value", "why"), rows)


def _results(run: pathlib.Path) -> str:
    name = pathlib.Path(runs.EVALUATION)
    files = sorted(run.glob(f"{name.stem}*{name.suffix}"), key=lambda file: file.stat().st_mtime)
    if not files:
        return (
            "It was not evaluated. `barlow evaluate RUN DATA` tests it on labelled images; export "
            "it again afterwards."
        )
    content = json.loads(files[-1].read_text("utf-8"))
    rows = content["rows"]
    kinds = list(dict.fromkeys((row["probe"], row["labels_per_class"]) for row in rows))
    names = list(dict.fromkeys(row["features"] for row in rows))
    found = {(row["features"], row["probe"], row["labels_per_class"]): row for row in rows}
    table = []
    for probe, count in kinds:
        named = {"linear": "logistic regression", "knn": "nearest neighbours"}.get(probe, probe)
        cells = [found.get((each, probe, count)) for each in names]
        table.append(
            (
                named,
                "all" if count is None else count,
                *(f"{cell['accuracy']:.3f}" if cell else "-" for cell in cells),
            )
        )
    searched = [
        f"{each['features']}: recall@1 {each['recall']['1']:.3f}, mAP "
        f"{each['mean_average_precision']:.3f}"
        for each in content.get("retrieval", [])
    ]
    found_by_search = f"\n\nWhat a search finds. {'; '.join(searched)}." if searched else ""
    return (
        "Accuracy of classifiers on held-out labelled images, from pixels, from the same network "
        "with random weights, and from what it learned:\n\n"
        + _table(("classifier", "labels per class", *names), table)
        + found_by_search
    )


def _figures(labelling: Mapping[str, Any]) -> str:
    """What `labelling.json` says of a classifier."""
    scores = labelling.get("scores")
    if not scores:
        return "Not known: there were too few labels to hold some out."
    rows = [(each["name"], each["labels"], each["right"]) for each in labelling["classes"]]
    return (
        f"Learned from {labelling['labels']} labels by the method `{labelling['method']}`. On "
        f"{scores['labels']} labels held out its accuracy is {scores['accuracy']:.3f}; on images "
        f"like those that it learned from {scores['low']:.2f} to {scores['high']:.2f} (95 % "
        f"interval). Its calibration error is {scores['calibration_error']:.3f}.\n\n"
        + _table(("class", "labels", "right"), rows)
    )


def _limits(config: Mapping[str, Any], format_: Format) -> str:
    points = [
        "It knows what its images showed it. On images of another kind its vectors may say "
        "little: evaluate it on yours.",
        "Nobody has looked for biases in its images. What was rare among them it may tell apart "
        "worse.",
    ]
    recipe = config.get("views_recipe") or {}
    ignored = [
        text.format(recipe[name]) for name, text in _SEEN.items() if np.any(recipe.get(name, 0))
    ]
    if recipe and list(recipe["scale"]) != [1, 1]:
        ignored.insert(0, "which part of an image is shown, and how large")
    if ignored:
        points.insert(
            0,
            f"It learned to see no difference in: {', '.join(ignored)}. Do not use it where these "
            "matter.",
        )
    if config.get("dtype_policy", "float32") != "float32":
        points.append(
            f"It was trained in {config['dtype_policy']} and is exported in float32: its vectors "
            "differ from those of barlow by the rounding of the former."
        )
    if format_.file.endswith(".keras"):
        points.append("Load files in Keras' safe mode, as above: it runs no code of the file.")
    return "\n".join(f"- {point}" for point in points)


def _checked(facts: Mapping[str, Any], format_: Format) -> str:
    differences = ", ".join(
        f"{value:.1e} with {count} at a time" for count, value in facts["differences"].items()
    )
    return (
        f"## Checked\n\nThe file was run in {' and '.join(format_.runs)}, without barlow: its "
        f"vectors differ from those of the original by {differences} (parts of the largest "
        f"number). Hash of the original's weights: `{facts['weights']}`. `{CHECK}` holds the "
        "images and the vectors; `barlow export --check FOLDER` compares again where it runs."
    )


def _table(headings: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(
        f"| {' | '.join(printable(cell).replace('|', '/') for cell in line)} |" for line in lines
    )


def _text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
