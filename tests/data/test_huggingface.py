import datasets
import numpy as np
import pytest
from marking import marked
from PIL import Image

from barlow.data import load

CLASSES = datasets.ClassLabel(names=["cat", "dog"])


def dataset(images=(1, 2, 3), image=None, **columns):
    """Grey images of one value, and other columns as (values, feature)."""
    pictures = [None if v is None else marked(v) for v in images]
    return datasets.Dataset.from_dict(
        {"image": pictures, **{name: values for name, (values, _) in columns.items()}},
        features=datasets.Features(
            {
                "image": image or datasets.Image(),
                **{name: feature for name, (_, feature) in columns.items()},
            }
        ),
    )


def values(images):
    return images.pixels[:][:, 0, 0, 0].tolist()


def test_classes_are_labels_by_their_names_whatever_the_column_is_called():
    images = load(dataset(kind=([1, 0, 1], CLASSES)))
    assert values(images) == [1, 2, 3]
    assert images.labels.tolist() == ["dog", "cat", "dog"]


@pytest.mark.parametrize(
    ("labels", "type_"), [(["a", "b", "a"], "string"), ([4, 5, 4], "int32")], ids=str
)
def test_without_classes_a_column_called_label_is(labels, type_):
    column = (labels, datasets.Value(type_))
    assert load(dataset(label=column)).labels.tolist() == labels
    assert load(dataset(other=column)).labels is None


def test_classes_that_are_not_known_are_no_labels():
    none = load(dataset(label=([-1, -1, -1], CLASSES)))  # as in the test split of many
    assert (none.labels, none.notes) == (None, ())
    some = load(dataset(label=([0, None, -1], CLASSES)))
    assert some.labels is None
    assert some.notes == ("Labels are left out: 1 of 3 images have one; 1 has none.",)


def test_several_columns_of_classes_are_left_out_and_it_is_said():
    both = dataset(fine=([0, 1, 0], CLASSES), coarse=([1, 1, 1], CLASSES))
    images = load(both)
    assert images.labels is None
    (note,) = images.notes
    assert "fine and coarse" in note
    assert "select_columns" in note
    assert load(both.select_columns(["image", "coarse"])).labels.tolist() == ["dog"] * 3


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.select([2, 0]),
        lambda data: data.select([2, 0]).with_format("numpy"),
        lambda data: data.select([2, 0]).with_transform(lambda rows: {"image": rows["label"]}),
        lambda data: data.cast_column("image", datasets.Image(decode=False)).select([2, 0]),
        lambda data: data.filter(lambda row: row["label"] != 1).select([1, 0]),
    ],
    ids=["rows", "format", "transform", "not decoded", "filter"],
)
def test_a_dataset_is_read_as_it_was_made_to_be(change):
    column = ([0, 1, 2], datasets.Value("int64"))
    data = change(dataset(label=column))
    for memory in (0, 2**20):
        images = load(data, memory=memory)
        assert values(images) == [3, 1]
        assert images.labels.tolist() == [2, 0]


def test_a_row_without_an_image_is_skipped_and_listed():
    images = load(dataset((1, None, 3)))
    assert values(images) == [1, 3]
    assert images.skipped == (("dataset, row 1", "it has no image"),)


def test_a_file_that_is_missing_is_skipped_and_listed(tmp_path):
    marked(9).save(tmp_path / "a.png")
    data = datasets.Dataset.from_dict({"x": [str(tmp_path / n) for n in ("a.png", "gone.png")]})
    images = load(data.cast_column("x", datasets.Image()))
    assert values(images) == [9]
    assert images.skipped == (("dataset, row 1", "No such file or directory"),)


def test_splits_are_asked_for(tmp_path):
    splits = datasets.DatasetDict(train=dataset(), test=dataset((7, 8)))
    with pytest.raises(ValueError, match=r"splits train, test.*dataset\['train'\]"):
        load(splits)
    splits.save_to_disk(str(tmp_path / "saved"))
    with pytest.raises(ValueError, match=r"splits test, train.*saved/test"):
        load(tmp_path / "saved")
    assert values(load(tmp_path / "saved" / "test")) == [7, 8]


def test_streams_are_refused():
    with pytest.raises(ValueError, match="streaming=True"):
        load(dataset().to_iterable_dataset())


def test_datasets_without_one_column_of_images_are_refused():
    two = dataset(second=([Image.new("L", (4, 4))] * 3, datasets.Image()))
    with pytest.raises(ValueError, match=r"columns of images image, second.*select_columns"):
        load(two)
    assert len(load(two.select_columns("second"))) == 3
    with pytest.raises(ValueError, match=r"None of the columns text, n .*cast_column"):
        load(datasets.Dataset.from_dict({"text": ["a"], "n": [1]}))
    with pytest.raises(ValueError, match="no rows"):
        load(dataset(()))


def test_a_damaged_folder_is_refused(tmp_path):
    dataset().save_to_disk(str(tmp_path / "saved"))
    (table,) = (tmp_path / "saved").glob("*.arrow")
    content = table.read_bytes()
    for damage in (content[:100], b"no table"):
        table.write_bytes(damage)
        with pytest.raises(ValueError, match=r"Cannot read the dataset in .*saved"):
            load(tmp_path / "saved")
    table.write_bytes(content)
    (tmp_path / "saved" / "state.json").write_text("{")
    with pytest.raises(ValueError, match=r"Cannot read the dataset in .*saved"):
        load(tmp_path / "saved")


def test_other_objects_and_folders_are_no_datasets(tmp_path):
    Image.new("L", (4, 4), 5).save(tmp_path / "1.png")
    (tmp_path / "state.json").write_text("{}")
    assert values(load(tmp_path)) == [5]
    np.testing.assert_array_equal(load(tmp_path, memory=0).pixels[0], 5)


def test_parquet_with_images_in_it_is_read_with_the_names_of_its_classes(tmp_path):
    whole = dataset(label=([1, 0, 1], CLASSES))
    for number in range(3):
        whole.select([number]).to_parquet(str(tmp_path / f"train-{number}.parquet"))
    for source, expected in (
        (tmp_path / "train-1.parquet", [2]),
        (f"{tmp_path}/train-*.parquet", [1, 2, 3]),
        ([tmp_path / "train-2.parquet", tmp_path / "train-0.parquet"], [3, 1]),
    ):
        images = load(source)
        assert values(images) == expected
        names = ["dog", "cat", "dog"]
        assert images.labels.tolist() == [names[value - 1] for value in expected]


def test_damaged_parquet_is_refused(tmp_path):
    (tmp_path / "x.parquet").write_bytes(b"PAR1 and nothing")
    with pytest.raises(ValueError, match=r"x\.parquet"):
        load(tmp_path / "x.parquet")
