"""Search, by image of the collection and by file; outliers; the graph that is kept."""

import dataclasses
import shutil

import numpy as np
import pytest
from pictures import draw

import barlow
from barlow import lock, neighbours, vectors
from barlow.neighbours import kept

pytestmark = pytest.mark.once


@pytest.fixture
def collection(encoder, photos, tmp_path):
    vectors.write(encoder, photos, tmp_path / "x.parquet")
    return tmp_path / "x.parquet"


def test_an_image_of_the_collection_finds_others_and_a_file_finds_it(collection, photos):
    by_name, by_file = barlow.search(collection, ["a/3.png", photos / "a" / "3.png"], k=4)
    assert len(by_name.names) == len(by_file.names) == 4
    assert by_file.names[0] == "a/3.png"
    assert by_file.similarities[0] == pytest.approx(1, abs=1e-6)
    assert by_file.names[1:] == by_name.names[:3]
    assert len(barlow.search(collection, "a/3.png", k=100)[0].names) == 9


def test_a_photo_that_exif_turns_finds_its_upright_twin(collection, tmp_path):
    turned = draw(7).rotate(90, expand=True)  # anticlockwise
    exif = turned.getexif()
    exif[0x0112] = 6  # to be shown turned clockwise
    turned.save(tmp_path / "turned.jpg", exif=exif, quality=95)
    found = barlow.search(collection, tmp_path / "turned.jpg")[0]
    assert found.names[0] == "b/7.png"
    assert found.similarities[0] > 0.999


def test_added_images_change_nothing_that_was_found(encoder, collection, photos, tmp_path):
    draw(100).save(tmp_path / "query.png")
    before = barlow.search(collection, tmp_path / "query.png", k=5)[0]
    for number in range(20, 30):
        draw(number).save(photos / "a" / f"{number}.png")
    vectors.write(encoder, photos, collection)
    after = barlow.search(collection, tmp_path / "query.png", k=20)[0]
    pairs = dict(zip(after.names, after.similarities, strict=True))
    assert [pairs[name] for name in before.names] == before.similarities
    old = [name for name in after.names if int(name[2:-4]) < 10]
    assert old[:5] == before.names


def test_where_images_and_encoder_were_moved_to_is_said(encoder, collection, photos, tmp_path):
    moved = tmp_path / "elsewhere"
    photos.rename(moved)
    with pytest.raises(FileNotFoundError, match="photos"):
        vectors.images_of(vectors.read(collection), [0])
    assert len(vectors.images_of(vectors.read(collection), [0], moved)) == 1
    other = shutil.copy(encoder, tmp_path / "other.keras")
    query = moved / "a" / "1.png"
    assert barlow.search(collection, query, 1, encoder=other)[0].names == ["a/1.png"]
    barlow.models.encoder("conv", (32, 32, 3)).save(tmp_path / "another.keras")
    with pytest.raises(ValueError, match="its weights are others"):
        barlow.search(collection, query, 1, encoder=tmp_path / "another.keras")


def test_images_of_a_pattern_are_found_from_any_folder(encoder, photos, tmp_path, monkeypatch):
    monkeypatch.chdir(photos)
    vectors.write(encoder, "*/*.png", tmp_path / "x.parquet")
    monkeypatch.chdir(tmp_path)
    embeddings = vectors.read("x.parquet")
    images = vectors.images_of(embeddings, [3, 0])
    expected = barlow.data.load(photos, (32, 32))
    np.testing.assert_array_equal(images.pixels[:], expected.pixels[[3, 0]])


def test_a_query_that_is_nowhere_or_no_image_is_named(collection, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no image a/33\.png.*Did you mean 'a/3\.png'"):
        barlow.search(collection, "a/33.png")
    (tmp_path / "bad.png").write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"bad\.png"):
        barlow.search(collection, tmp_path / "bad.png")


def test_the_graph_is_computed_once_and_never_that_of_other_vectors(collection, monkeypatch):
    first = neighbours.graph(collection, k=5)
    calls = []
    nearest = kept.nearest
    monkeypatch.setattr(kept, "nearest", lambda *a, **b: calls.append(1) or nearest(*a, **b))
    for k in (5, 3):
        again = neighbours.graph(collection, k=k)
        np.testing.assert_array_equal(again.rows, first.rows[:, :k])
        np.testing.assert_array_equal(again.similarities, first.similarities[:, :k])
    assert neighbours.graph(collection, k=7).rows.shape == (10, 7)  # as other commands ask for
    assert not calls
    embeddings = vectors.read(collection)
    turned = dataclasses.replace(embeddings, vectors=embeddings.vectors[::-1])
    from barlow.vectors import table

    table.write_tables(collection, [table.as_table(turned)], table.read_made_by(collection))
    expected = neighbours.graph(turned, k=5)
    np.testing.assert_array_equal(neighbours.graph(collection, k=5).rows, expected.rows)


@pytest.mark.parametrize("obstacle", ["damaged", "locked", "file"])
def test_a_graph_that_cannot_be_kept_is_computed(obstacle, collection):
    expected = neighbours.graph(vectors.read(collection), k=5)
    place = kept.kept_beside(collection)
    if obstacle == "damaged":
        neighbours.graph(collection, k=5)
        whole = (place / "graph.npz").read_bytes()
        (place / "graph.npz").write_bytes(whole[: len(whole) // 2])
    if obstacle == "file":
        place.write_bytes(b"")
    if obstacle == "locked":
        with lock.locked(place, "It is being written"):
            found = neighbours.graph(collection, k=5)
    else:
        found = neighbours.graph(collection, k=5)
    np.testing.assert_array_equal(found.rows, expected.rows)


def collection_of(values, **facts):
    rows = len(values)
    names = np.arange(rows).astype(str).astype(object)
    return barlow.Embeddings(
        np.asarray(values, "float32"), names, None, "", (32, 32, 3), "", facts=facts
    )


def test_outliers_are_the_images_apart_whatever_the_density():
    """Two crowds, one a hundred times denser, and three points that belong to neither."""
    random = np.random.default_rng(0)
    dense = np.array([10, 0, 0]) + 0.01 * random.normal(size=(100, 3))
    loose = np.array([0, 10, 0]) + random.normal(size=(100, 3))
    apart = [[10, 0, 1], [-5, -5, 0], [0, 0, -10]]
    found = barlow.outliers(collection_of(np.concatenate([dense, loose, apart])), k=10)
    assert {each.row for each in found.outliers[:3]} == {200, 201, 202}
    scores = [each.score for each in found.outliers]
    assert scores == sorted(scores, reverse=True)
    assert 0.8 < np.median(scores) < 1.2
    assert found.plain == {}


def test_copies_of_one_image_are_no_outliers():
    random = np.random.default_rng(0)
    values = np.concatenate([np.ones((50, 4)), random.normal(size=(50, 4))])
    found = barlow.outliers(collection_of(values), k=10)
    assert all(np.isfinite(each.score) for each in found.outliers)
    assert {each.row for each in found.outliers[-50:]} == set(range(50))


def test_an_image_beside_copies_of_another_is_as_far_as_without_them():
    values = np.random.default_rng(0).normal(size=(60, 4))
    copied = np.concatenate([values, *[values[:1]] * 12])
    scores, beside = (
        {each.row: each.score for each in barlow.outliers(collection_of(each), k=10).outliers}
        for each in (values, copied)
    )
    assert max(beside.values()) < 2 * max(scores.values())


def test_plainly_odd_images_are_named_as_such(encoder, photos, tmp_path):
    from PIL import Image

    for name, colour in (("black", 0), ("white", 255), ("red", (255, 0, 0))):
        Image.new("RGB", (50, 50), colour).save(photos / f"{name}.png")
    Image.eval(draw(1), lambda value: value // 16).save(photos / "night.png")
    Image.eval(draw(2), lambda value: 255 - value // 16).save(photos / "snow.png")
    draw(3, 12).save(photos / "icon.png")
    vectors.write(encoder, photos, tmp_path / "x.parquet")
    assert barlow.outliers(tmp_path / "x.parquet", k=3).plain == {
        "blank": ["black.png", "red.png", "white.png"],
        "dark": ["night.png"],
        "bright": ["snow.png"],
        "tiny": ["icon.png"],
    }


@pytest.mark.parametrize("rows", [0, 1, 2])
def test_few_images_have_few_neighbours(rows):
    found = barlow.outliers(collection_of(np.ones((rows, 3))))
    assert len(found.outliers) == (rows if rows > 1 else 0)


@pytest.mark.parametrize("resize", ["crop", "pad", "stretch"])
def test_a_file_is_read_as_the_collection_was(resize, encoder, tmp_path):
    """Of a picture that is not square, another way to resize it makes another image."""
    (tmp_path / "wide").mkdir()
    for number in range(6):
        draw(number, 96).resize((96, 40)).save(tmp_path / "wide" / f"{number}.png")
    vectors.write(encoder, tmp_path / "wide", tmp_path / "wide.parquet", resize=resize)
    found = barlow.search(tmp_path / "wide.parquet", tmp_path / "wide" / "3.png", k=1)[0]
    assert found.names == ["3.png"]
    assert found.similarities[0] == pytest.approx(1, abs=1e-6)


def test_a_file_of_several_pages_is_one_query(encoder, photos, tmp_path):
    pages = [draw(number) for number in (3, 20, 21)]
    pages[0].save(photos / "pages.tiff", save_all=True, append_images=pages[1:])
    vectors.write(encoder, photos, tmp_path / "x.parquet", pages="all")
    (tmp_path / "query.tiff").write_bytes((photos / "pages.tiff").read_bytes())
    found = barlow.search(tmp_path / "x.parquet", tmp_path / "query.tiff", k=2)
    assert {*found[0].names} == {"a/3.png", "pages.tiff, page 1"}


def test_images_of_a_list_are_found_whichever_form_their_paths_have(
    encoder, photos, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    names = ["./photos/a/1.png", "~/photos/a/2.png", "photos/a/3.png", str(photos / "a" / "4.png")]
    vectors.write(encoder, names, tmp_path / "x.parquet")
    found = vectors.images_of(vectors.read(tmp_path / "x.parquet"), [3, 2, 1, 0])
    given = [photos / "a" / f"{number}.png" for number in (4, 3, 2, 1)]
    expected = barlow.data.load(given, (32, 32)).pixels
    np.testing.assert_array_equal(found.pixels[:], expected)


@pytest.mark.parametrize("k", [0, -1])
def test_at_least_one_neighbour_is_searched_for_an_image_of_the_collection_too(k):
    vectors = np.random.default_rng(0).normal(size=(9, 4)).astype("float32")
    names = np.arange(9).astype(str).astype(object)
    collection = barlow.Embeddings(vectors, names, None, "", (8, 8, 1), "")
    with pytest.raises(ValueError, match=rf"at least 1\. Received: {k}"):
        barlow.search(collection, "3", k=k)
