"""`suggest`: typical images of clusters that have no label, then uncertain ones and draws."""

import tracemalloc

import numpy as np
import pytest
from clouds import clouds, collection, some_labels

from barlow import labelling
from barlow.errors import InvalidInput
from barlow.labelling import space

pytestmark = pytest.mark.once


def rows_of(found, *reasons):
    return [each.row for each in found.images if not reasons or each.reason in reasons]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_of_every_cluster_the_image_in_the_middle_is_suggested_the_largest_first(seed):
    values, numbers = clouds([60, 50, 40, 30, 25], apart=12.0, seed=seed)
    found = labelling.suggest(collection(values), 5, seed=seed)
    assert [numbers[row] for row in rows_of(found)] == [0, 1, 2, 3, 4]
    assert {each.reason for each in found.images} == {"typical"}
    units = space.fit(values)(values).astype("float64")
    for row in rows_of(found):
        own = units[numbers == numbers[row]]
        distances = np.linalg.norm(own - own.mean(axis=0), axis=1)
        nearest = np.linalg.norm(units[row] - own.mean(axis=0))
        np.testing.assert_allclose(nearest, distances.min(), rtol=1e-6)
    assert [each.path for each in found.images] == [f"{row}.png" for row in rows_of(found)]


def test_clusters_without_a_label_come_first():
    values, numbers = clouds([50, 50, 50, 50, 50], apart=12.0)
    for first in range(5):
        for second in range(first + 1, 5):  # a label in each of these two
            labels = np.where(np.isin(numbers, [first, second]), some_labels(numbers, 1), "")
            found = labelling.suggest(collection(values), 3, labels)
            visited = {numbers[row] for row in rows_of(found)}
            assert len(visited) == 3
            assert not visited & {first, second}


def test_with_labels_of_two_classes_uncertain_images_lie_between_them():
    random = np.random.default_rng(0)
    values = random.normal(size=(400, 6))
    values[:, 0] = random.uniform(-6, 6, 400)  # a band from one class to the other
    labels = np.full(400, "", object)
    low, high = np.flatnonzero(values[:, 0] < -2), np.flatnonzero(values[:, 0] > 2)
    labels[low[:15]], labels[high[:15]] = "low", "high"
    given = {f"{row}.png": label for row, label in enumerate(labels) if label}
    found = labelling.suggest(collection(values), 10, given)
    counts = [len(rows_of(found, reason)) for reason in ("typical", "uncertain", "random")]
    assert counts == [4, 3, 3]
    between = np.abs(values[rows_of(found, "uncertain"), 0])
    drawn = np.abs(values[rows_of(found, "random"), 0])
    assert between.mean() < 1.5 < drawn.mean()
    # Of the images of the smallest margins: twenty for each that is taken.
    fitted = labelling.fit(collection(values), given)
    margins = {each.path: each.margin for each in fitted.predictions()}
    limit = sorted(margins.values())[20 * 3 + 3]  # and those that were drawn before
    assert max(margins[f"{row}.png"] for row in rows_of(found, "uncertain")) <= limit


def test_kinds_come_in_turn():
    values, numbers = clouds([60, 60], apart=3.0)
    labels = some_labels(numbers, 5)
    given = {f"{row}.png": label for row, label in enumerate(labels) if label}
    found = labelling.suggest(collection(values), 20, given)
    for half in (found.images[:10], found.images[10:]):
        counts = [sum(each.reason == reason for each in half)
                  for reason in ("typical", "uncertain", "random")]  # fmt: skip
        assert counts == [4, 3, 3]


def test_before_any_class_is_known_the_first_are_typical():
    values, _ = clouds([50] * 4, apart=3.0)
    for n, typical in ((20, 20), (30, 27), (60, 48)):
        found = labelling.suggest(collection(values), n)
        assert len(rows_of(found, "typical")) == typical
        assert len(rows_of(found, "random")) == n - typical


@pytest.mark.parametrize("n", [1, 7, 30, 90])
def test_no_image_is_suggested_twice_until_none_is_left(n):
    values, _ = clouds([50, 25, 15], apart=4.0)
    names = [f"{row}.png" for row in range(90)]
    listed: dict[str, str] = {}
    rounds = 0
    while len(listed) < 90 and rounds < 4:
        found = labelling.suggest(collection(values), n, listed)
        assert len({*rows_of(found)}) == len(found.images) == min(n, 90 - len(listed))
        assert not listed.keys() & {each.path for each in found.images}
        assert dict(found.listed) == listed
        for each in found.images:  # some of them stay empty
            listed[each.path] = "" if each.row % 3 == 0 else str(each.row % 2)
        rounds += 1
    if len(listed) == 90:
        assert listed.keys() == {*names}
        with pytest.raises(InvalidInput, match="labelled or listed already"):
            labelling.suggest(collection(values), n, listed)


def test_more_than_there_are_gives_all():
    values, _ = clouds([9, 6], apart=4.0)
    assert sorted(rows_of(labelling.suggest(collection(values), 1000))) == [*range(15)]
    alone = labelling.suggest(collection(values[:1]), 5)
    assert [each.path for each in alone.images] == ["0.png"]


def test_copies_are_no_obstacle():
    values, _ = clouds([9, 6], apart=4.0)
    found = labelling.suggest(collection(np.repeat(values, 4, axis=0)), 60)
    assert sorted(rows_of(found)) == [*range(60)]
    same = labelling.suggest(collection(np.ones((30, 4))), 10)
    assert len({*rows_of(same)}) == 10
    few = labelling.suggest(collection(np.repeat(values, 4, axis=0)), 15)
    assert len({row // 4 for row in rows_of(few)}) == 15  # of every image one copy


def test_the_same_seed_suggests_the_same():
    values, _ = clouds([60, 60], apart=1.0)
    one, same, other = (
        rows_of(labelling.suggest(collection(values), 30, seed=seed)) for seed in (1, 1, 2)
    )
    assert one == same != other


def test_labels_of_the_collection_itself_are_no_list():
    """As with images in class folders: what they are for is to compare with."""
    import dataclasses

    values, numbers = clouds([20, 20])
    own = dataclasses.replace(collection(values), labels=numbers)
    assert labelling.suggest(own, 5).listed == []


@pytest.mark.parametrize("n", [0, -3, 1.5, "5", None])
def test_at_least_one_image_is_asked_for(n):
    with pytest.raises(InvalidInput, match=f"at least 1. Received: {n!r}"):
        labelling.suggest(collection(np.eye(5)), n)


@pytest.mark.parametrize("seed", [-1, 2**32, 0.5, "1", None])
def test_a_seed_is_one_that_numpy_takes(seed):
    images = collection(np.eye(5))
    for ask in (
        labelling.suggest,
        lambda *_, seed: labelling.fit(images, list("ab   "), seed=seed),
    ):
        with pytest.raises(InvalidInput, match=r"`seed` is a whole number from 0 to 4294967295"):
            ask(images, 2, seed=seed)
    labelling.suggest(images, 1, {"3.png": "a"}, seed=2**32 - 1)


def test_rows_that_are_there_twice_are_no_more_images(tmp_path):
    images = collection(np.eye(5))
    path = tmp_path / "labels.csv"
    path.write_text("path,label\n1.png,a\n2.png,b\n1.png,a\n2.png,b\n2.png,b\n")
    labelling.suggest(images, 1, path).write(path)
    assert path.read_text().splitlines()[:3] == ["path,label", "1.png,a", "2.png,b"]


def test_a_list_has_what_was_given_and_then_what_is_new(tmp_path):
    values, _ = clouds([20, 20])
    found = labelling.suggest(collection(values), 3, {"7.png": "a", "3.png": ""})
    assert found.write(tmp_path / "labels.csv") == tmp_path / "labels.csv"
    lines = (tmp_path / "labels.csv").read_text().splitlines()
    assert lines == ["path,label", "3.png,", "7.png,a"] + [f"{each.path}," for each in found.images]
    found.write(tmp_path / "labels.csv")  # the same again loses nothing
    with pytest.raises(InvalidInput, match=r"is called \*\.csv"):
        found.write(tmp_path / "labels.xlsx")
    with pytest.raises(FileNotFoundError, match="There is no folder"):
        found.write(tmp_path / "gone" / "labels.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["labels.csv"]


@pytest.mark.parametrize(
    "content",
    [
        b"path,label\r\n3.png,\r\na\\7.png,a\r\n",
        b"path;label\n7.png;a\n",
        b"label,path\n,3.png\na,7.png\n",
        b"path,label\n",
    ],
)
def test_a_list_in_another_form_whose_labels_stay_is_replaced(content, tmp_path):
    values, _ = clouds([20, 20])
    found = labelling.suggest(collection(values), 3, {"7.png": "a", "3.png": ""})
    (tmp_path / "labels.csv").write_bytes(content)
    found.write(tmp_path / "labels.csv")
    assert len((tmp_path / "labels.csv").read_text().splitlines()) == 6


@pytest.mark.parametrize(
    "content",
    [
        b"path,label\n7.png,b\n",  # another label
        b"path,label\n8.png,a\n",  # another image
        b"path,label\n1,\n2,\n3,\n4,\n5,\n6,\n",  # more rows
        b"path\n7.png\n",
        b"path,label,note\n7.png,a,look again\n",
        b"path,label\n7.png,a,look again\n",
        b"PK\3\4\0",
        b"my shopping",
        b"",
    ],
)
def test_what_would_be_lost_is_kept(content, tmp_path):
    values, _ = clouds([20, 20])
    found = labelling.suggest(collection(values), 3, {"7.png": "a", "3.png": ""})
    (tmp_path / "labels.csv").write_bytes(content)
    with pytest.raises(FileExistsError, match="is there already"):
        found.write(tmp_path / "labels.csv")
    assert (tmp_path / "labels.csv").read_bytes() == content


@pytest.mark.parametrize("text", ["1.0", "1", "01.0"])
def test_a_list_of_numbers_is_added_to_as_a_program_wrote_them(text, tmp_path):
    values, _ = clouds([20, 20], apart=12.0)
    known = text.lstrip("0").partition(".")[0] if text != "01.0" else "01"
    (tmp_path / "labels.csv").write_text(f"path,label\n0.png,{text}\n30.png,0.0\n")
    found = labelling.suggest(collection(values), 3, tmp_path / "labels.csv")
    found.write(tmp_path / "labels.csv")
    assert (tmp_path / "labels.csv").read_text().splitlines()[:3] == [
        "path,label", f"0.png,{known}", "30.png,0"]  # fmt: skip


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_list_keeps_the_delimiter_of_its_spreadsheet(delimiter, tmp_path):
    values, _ = clouds([20, 20], apart=12.0)
    lines = [delimiter.join(cells) for cells in (("path", "label"), ("0.png", "a"), ("30.png", ""))]
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    found = labelling.suggest(collection(values), 1, tmp_path / "labels.csv")
    found.write(tmp_path / "labels.csv")
    (new,) = found.images
    expected = [*lines, delimiter.join((new.path, ""))]
    assert (tmp_path / "labels.csv").read_text().splitlines() == expected


def test_many_labels_do_not_take_memory_for_each_pair_of_images():
    values, _ = clouds([3000, 3000], apart=12.0)
    labels = np.where(np.arange(6000) % 2, "one", "")
    tracemalloc.start()
    found = labelling.suggest(collection(values), 5, labels)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(found.images) == 5
    assert peak < 3000 * 6000 * 4
