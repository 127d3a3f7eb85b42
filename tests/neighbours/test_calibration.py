"""The measured threshold makes the mistakes that it expects, on pictures that it has not seen."""

import io

import numpy as np
import pytest
from pictures import draw
from PIL import Image, ImageEnhance

import barlow
from barlow import neighbours, vectors
from barlow.neighbours import calibration, copies, exact, whole

pytestmark = pytest.mark.once


def test_copies_are_like_the_image_but_not_it():
    images = barlow.data.Images(np.stack([np.asarray(draw(n, 64)) for n in range(5)]))
    found = list(copies.copies_of(images, np.random.default_rng(0)))
    assert [number for number, _ in found] == [0, 1, 2, 3, 4]
    for number, files in found:
        made = copies.pixels_of(files, (64, 64), 3)
        assert made.shape == (len(copies.KINDS), 64, 64, 3)
        for copy in made:
            difference = np.abs(copy.astype(int) - images.pixels[number])
            assert 0 < difference.mean() < 25


def saved(image, kind, random):
    """A copy as someone else makes them: not the code that is tested."""
    if kind == "jpeg":
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=int(random.integers(40, 96)))
        return Image.open(stream)
    if kind == "size":
        side = round(image.width * random.uniform(0.5, 2))
        return image.resize((side, side), Image.Resampling.LANCZOS)
    if kind == "crop":
        edge = image.width * random.uniform(0, 0.05, 4)
        return image.crop((edge[0], edge[1], image.width - edge[2], image.height - edge[3]))
    return ImageEnhance.Brightness(image).enhance(random.uniform(0.8, 1.25))


@pytest.mark.slow
@pytest.mark.parametrize("size", [32, 224])
def test_planted_copies_are_found_as_often_as_expected(size, encoder, tmp_path):
    """Copies of every kind, of pictures that the calibration cannot see: they are in no sample."""
    random = np.random.default_rng(size)
    (tmp_path / "photos").mkdir()
    (tmp_path / "new").mkdir()
    for number in range(600):
        draw(number, size).save(tmp_path / "photos" / f"{number}.png")
    vectors.write(encoder, tmp_path / "photos", tmp_path / "x.parquet")
    measured = barlow.duplicates(tmp_path / "x.parquet").calibration
    for number in range(1000, 1100):
        picture = draw(number, size)
        picture.save(tmp_path / "new" / f"{number}.png")
        for kind in ("jpeg", "size", "crop", "light"):
            saved(picture, kind, random).save(tmp_path / "new" / f"{number} {kind}.png")
    vectors.write(encoder, tmp_path / "new", tmp_path / "y.parquet")
    new = vectors.read(tmp_path / "y.parquet")
    original = np.array([" " not in name for name in new.names])
    small = whole.whole_of(vectors.images_of(new, np.arange(len(new))))

    def taken(one, other, ones, others):
        """Whether rows are taken for copies of others."""
        alike = exact.similarities(one, other) >= measured.threshold
        return alike & (whole.correlations(ones, others) >= measured.whole)

    # Copies that are missed, of the kinds together.
    of = {name: row for row, name in enumerate(new.names)}
    copied = np.flatnonzero(~original)
    origin = np.array([of[new.names[row].split()[0] + ".png"] for row in copied])
    found = taken(new.vectors[copied], new.vectors[origin], small[copied], small[origin])
    interval = calibration.Rate.of(float(np.mean(~found)), 100)
    assert interval.low <= measured.misses.high
    assert measured.misses.low <= interval.high
    # Pictures without a copy that are taken for one.
    first = vectors.read(tmp_path / "x.parquet")
    near = neighbours.nearest(first.vectors, new.vectors[original], 1).rows[:, 0]
    seen = whole.whole_of(vectors.images_of(first, near))
    wrong = taken(new.vectors[original], first.vectors[near], small[original], seen)
    alarms = calibration.Rate.of(float(np.mean(wrong)), int(original.sum()))
    assert alarms.low <= measured.false_alarms.high
    assert measured.false_alarms.low <= alarms.high


def test_copies_that_a_collection_has_already_are_no_false_alarms(encoder, tmp_path):
    """Half of the images are there twice: the threshold stays where it is without them."""
    thresholds = []
    for name, twice in (("once", False), ("twice", True)):
        folder = tmp_path / name
        folder.mkdir()
        for number in range(120):
            draw(number, 48).save(folder / f"{number}.png")
            if twice and number % 2 == 0:
                draw(number, 48).save(folder / f"{number} again.jpg", quality=90)
        vectors.write(encoder, folder, tmp_path / f"{name}.parquet")
        found = barlow.duplicates(tmp_path / f"{name}.parquet")
        thresholds.append(found.threshold)
        assert found.calibration.false_alarms.value < 0.05
    assert len([each for each in found.members if not each.keep]) >= 55
    assert abs(thresholds[0] - thresholds[1]) < 0.02


def test_a_threshold_is_the_same_each_time(encoder, photos, tmp_path):
    vectors.write(encoder, photos, tmp_path / "x.parquet")
    one, other = (barlow.duplicates(tmp_path / "x.parquet", seed=3).threshold for _ in range(2))
    assert one == other


def test_too_few_images_or_blank_ones_give_no_threshold(encoder, tmp_path):
    images = barlow.data.Images(np.full((20, 32, 32, 3), 7, "uint8"))
    vectors.write(encoder, images, tmp_path / "x.parquet")
    with pytest.raises(ValueError, match=r"at least 4 images that .*\. Received: 0"):
        barlow.duplicates(tmp_path / "x.parquet", images=images)


def test_what_was_measured_on_one_collection_holds_for_another(encoder, tmp_path):
    for name, seeds in (("x", range(60)), ("y", range(100, 130))):
        (tmp_path / name).mkdir()
        for seed in seeds:
            draw(seed, 48).save(tmp_path / name / f"{seed}.png")
        vectors.write(encoder, tmp_path / name, tmp_path / f"{name}.parquet")
    draw(100, 48).save(tmp_path / "y" / "copy.jpg", quality=90)
    vectors.write(encoder, tmp_path / "y", tmp_path / "y.parquet")
    measured = barlow.duplicates(tmp_path / "x.parquet").calibration
    found = barlow.duplicates(tmp_path / "y.parquet", threshold=measured)
    assert found.threshold == measured.threshold
    assert [each.path for each in found.members] == ["100.png", "copy.jpg"]


@pytest.mark.parametrize("resize", ["crop", "pad"])
def test_copies_are_resized_as_the_collection_was(resize, encoder, tmp_path):
    """Copies of wide pictures that an encoder sees in another way would be like nothing."""
    (tmp_path / "wide").mkdir()
    for number in range(40):
        draw(number, 96).resize((96, 40)).save(tmp_path / "wide" / f"{number}.png")
    vectors.write(encoder, tmp_path / "wide", tmp_path / "x.parquet", resize=resize)
    measured = barlow.duplicates(tmp_path / "x.parquet").calibration
    assert {measured.missed_by_kind[kind] for kind in ("saved as JPEG", "resized")} == {0}
