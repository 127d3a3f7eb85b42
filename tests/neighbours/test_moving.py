"""Copies are moved, nothing is lost, and all of it can be taken back."""

import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
import zipfile

import pytest
from pictures import draw

import barlow
from barlow import lock, neighbours, vectors

pytestmark = pytest.mark.once


@pytest.fixture
def collection(encoder, photos, tmp_path):
    """Ten pictures, and copies of three of them."""
    for number in range(3):
        draw(number).save(photos / "b" / f"copy {number}.png", compress_level=1)
    vectors.write(encoder, photos, tmp_path / "x.parquet")
    barlow.duplicates(tmp_path / "x.parquet", threshold=0.999).write(tmp_path / "plan.csv")
    return tmp_path / "x.parquet"


def files_of(folder):
    """Content by path."""
    return {
        path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_what_a_plan_moves_is_moved_and_back(collection, photos, tmp_path):
    before = files_of(photos)
    assert neighbours.move_copies(tmp_path / "plan.csv", tmp_path / "trash", collection) == 3
    moved = files_of(tmp_path / "trash")
    names = {pathlib.Path("b") / f"copy {number}.png" for number in range(3)}
    assert set(moved) == names | {pathlib.Path("undo.csv")}
    assert files_of(photos) == {name: each for name, each in before.items() if name not in names}
    assert neighbours.move_back(tmp_path / "trash") == 3
    assert files_of(photos) == before
    assert not (tmp_path / "trash").exists()


@pytest.mark.parametrize("changed", ["a/0.png", "b/copy 0.png"])
def test_a_file_that_has_changed_stops_all(changed, collection, photos, tmp_path):
    draw(99).save(photos / changed)
    before = files_of(photos)
    with pytest.raises(ValueError, match=r"1 images have changed .* Nothing was moved"):
        neighbours.move_copies(tmp_path / "plan.csv", tmp_path / "trash", collection)
    assert files_of(photos) == before
    assert not (tmp_path / "trash").exists()


@pytest.mark.parametrize("gone", ["a/0.png", "b/copy 0.png"])
def test_a_file_that_is_gone_stops_all(gone, collection, photos, tmp_path):
    (photos / gone).unlink()
    before = files_of(photos)
    with pytest.raises(FileNotFoundError, match="no longer where they were"):
        neighbours.move_copies(tmp_path / "plan.csv", tmp_path / "trash", collection)
    assert files_of(photos) == before


def test_nothing_is_overwritten(collection, photos, tmp_path):
    (tmp_path / "trash" / "b").mkdir(parents=True)
    (tmp_path / "trash" / "b" / "copy 1.png").write_bytes(b"mine")
    before = files_of(tmp_path)
    with pytest.raises(FileExistsError, match=r"copy 1\.png. Nothing was moved"):
        neighbours.move_copies(tmp_path / "plan.csv", tmp_path / "trash", collection)
    assert files_of(tmp_path) == before
    (tmp_path / "trash" / "b" / "copy 1.png").unlink()
    neighbours.move_copies(tmp_path / "plan.csv", tmp_path / "trash", collection)
    draw(50).save(photos / "b" / "copy 1.png")
    before = files_of(tmp_path)
    with pytest.raises(FileExistsError, match="1 images cannot be moved back"):
        neighbours.move_back(tmp_path / "trash")
    assert files_of(tmp_path) == before


@pytest.mark.skipif(sys.platform == "win32", reason="needs rights on Windows")
def test_the_file_that_is_kept_is_not_moved_under_another_name(encoder, photos, tmp_path):
    (photos / "b" / "link.png").symlink_to(photos / "a" / "0.png")
    vectors.write(encoder, photos, tmp_path / "x.parquet")
    barlow.duplicates(tmp_path / "x.parquet", exact=True).write(tmp_path / "plan.csv")
    before = files_of(photos)
    with pytest.raises(ValueError, match="the very file that is kept"):
        neighbours.move_copies(tmp_path / "plan.csv", tmp_path / "trash", tmp_path / "x.parquet")
    assert files_of(photos) == before


def test_images_that_are_no_files_of_their_own_are_not_moved(encoder, photos, tmp_path):
    shutil.copy(photos / "a" / "0.png", photos / "b" / "0.png")
    archive = shutil.make_archive(str(tmp_path / "photos"), "tar", photos)
    vectors.write(encoder, archive, tmp_path / "x.parquet")
    barlow.duplicates(tmp_path / "x.parquet", exact=True).write(tmp_path / "plan.csv")
    with pytest.raises(ValueError, match="no file of its own"):
        neighbours.move_copies(tmp_path / "plan.csv", tmp_path / "trash", tmp_path / "x.parquet")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("path,keep\na/0.png,no\n", "needs group, path, and keep"),
        ("group,path,keep\n1,a/0.png,maybe\n", "yes or no"),
        ("group,path,keep\n1,a/0.png,no\n", "keeps no image"),
        ("group,path,keep\n1,a/0.png,yes\n1,z.png,no\n", "not in the collection"),
    ],
)
def test_a_plan_that_is_not_valid_is_refused(text, said, collection, tmp_path):
    (tmp_path / "plan.csv").write_text(text)
    with pytest.raises(ValueError, match=said):
        neighbours.move_copies(tmp_path / "plan.csv", tmp_path / "trash", collection)
    assert not (tmp_path / "trash").exists()


def test_a_plan_may_be_written_as_people_write(collection, tmp_path):
    plan = tmp_path / "plan.csv"
    plan.write_text(plan.read_text().replace(",yes,", ", Yes,").replace(",no,", ",NO,"))
    assert neighbours.move_copies(plan, tmp_path / "trash", collection) == 3


def test_a_workbook_is_no_plan_and_the_message_says_what_to_do(collection, tmp_path):
    with zipfile.ZipFile(tmp_path / "plan.xlsx", "w") as book:
        book.writestr("[Content_Types].xml", "<Types/>")
    with pytest.raises(ValueError, match=r"plan\.xlsx: it is not a text file but a workbook"):
        neighbours.move_copies(tmp_path / "plan.xlsx", tmp_path / "trash", collection)


def test_the_user_decides_what_a_plan_keeps(collection, photos, tmp_path):
    plan = tmp_path / "plan.csv"
    rows = plan.read_text().replace(",yes,", ",?,").replace(",no,", ",yes,").replace(",?,", ",no,")
    plan.write_text("\ufeff" + rows, encoding="utf-8")  # as a spreadsheet writes it
    assert neighbours.move_copies(plan, tmp_path / "trash", collection) == 3
    assert {path.name for path in (tmp_path / "trash" / "a").iterdir()} == {
        "0.png",
        "1.png",
        "2.png",
    }


def test_a_folder_among_the_images_is_refused_where_it_has_them(collection, photos, tmp_path):
    with pytest.raises(ValueError, match=r"lies in .* already"):
        neighbours.move_copies(tmp_path / "plan.csv", photos, collection)


def test_two_that_move_to_one_folder_are_refused(collection, tmp_path):
    with (
        lock.locked(tmp_path / "trash", "Images are being moved"),
        pytest.raises(FileExistsError, match="are being moved"),
    ):
        neighbours.move_copies(tmp_path / "plan.csv", tmp_path / "trash", collection)


@pytest.mark.parametrize("goes", ["on", "back"])
def test_a_move_to_another_disk_that_was_cut_off_goes_on_or_back(
    goes, collection, photos, tmp_path
):
    """The copy is there and the original still is: what a kill leaves before it is deleted."""
    before, arguments = files_of(photos), (tmp_path / "plan.csv", tmp_path / "trash", collection)
    neighbours.move_copies(*arguments)
    shutil.copy2(tmp_path / "trash" / "b" / "copy 1.png", photos / "b" / "copy 1.png")
    if goes == "on":
        assert neighbours.move_copies(*arguments) == 1
        assert len(files_of(photos)) == len(before) - 3
    neighbours.move_back(tmp_path / "trash")
    assert files_of(photos) == before
    assert not (tmp_path / "trash").exists()


@pytest.mark.parametrize("name", ["caf\udce9.png", "猫.png"])
def test_a_plan_holds_any_name_in_any_locale(name, collection, photos, tmp_path):
    (photos / "b" / "copy 1.png").rename(photos / "b" / name)
    vectors.write(vectors.encoder_of(vectors.read(collection)), photos, collection)
    before, plan = files_of(photos), tmp_path / "any.csv"
    code = "import sys, barlow; barlow.duplicates(sys.argv[1], threshold=0.999).write(sys.argv[2])"
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    subprocess.run([sys.executable, "-c", code, collection, plan], env=environment, check=True)
    assert neighbours.move_copies(plan, tmp_path / "trash", collection) == 3
    assert not (photos / "b" / name).exists()
    neighbours.move_back(tmp_path / "trash")
    assert files_of(photos) == before


MOVE = """
import sys, time, os
from barlow import neighbours
rename = os.rename
def slow(before, after):
    rename(before, after)
    time.sleep(0.2)
os.rename = slow
neighbours.move_copies(*sys.argv[1:])
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
@pytest.mark.parametrize("goes", ["on", "back"])
def test_a_move_that_was_killed_goes_on_or_back(goes, collection, photos, tmp_path):
    arguments = [tmp_path / "plan.csv", tmp_path / "trash", collection]
    before = files_of(photos)
    process = subprocess.Popen([sys.executable, "-c", MOVE, *map(os.fspath, arguments)])
    while process.poll() is None and not list((tmp_path / "trash").rglob("*.png")):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    gone = set(before) - set(files_of(photos))
    assert len(gone) in (1, 2)
    for name in gone:
        assert (tmp_path / "trash" / name).read_bytes() == before[name]
    if goes == "on":
        assert neighbours.move_copies(*arguments) == 3 - len(gone)
        assert len(files_of(photos)) == len(before) - 3
    neighbours.move_back(tmp_path / "trash")
    assert files_of(photos) == before


def test_what_was_moved_with_its_folder_goes_back(collection, photos, tmp_path):
    before = files_of(photos)
    neighbours.move_copies(tmp_path / "plan.csv", tmp_path / "trash", collection)
    (tmp_path / "trash").rename(tmp_path / "elsewhere")
    assert neighbours.move_back(tmp_path / "elsewhere") == 3
    assert files_of(photos) == before
    assert not (tmp_path / "elsewhere").exists()


def test_nothing_moves_back_to_a_folder_that_is_not_there(collection, photos, tmp_path):
    neighbours.move_copies(tmp_path / "plan.csv", tmp_path / "trash", collection)
    moved = files_of(tmp_path / "trash")
    photos.rename(tmp_path / "elsewhere")
    with pytest.raises(FileNotFoundError, match=r"3 images were in folders that are not there"):
        neighbours.move_back(tmp_path / "trash")
    assert not photos.exists()
    assert files_of(tmp_path / "trash") == moved
    (tmp_path / "elsewhere").rename(photos)
    assert neighbours.move_back(tmp_path / "trash") == 3


def test_what_a_spreadsheet_made_of_the_undo_file_is_read_or_refused(collection, photos, tmp_path):
    before = files_of(photos)
    neighbours.move_copies(tmp_path / "plan.csv", tmp_path / "trash", collection)
    undo = tmp_path / "trash" / "undo.csv"
    written = undo.read_text()
    undo.write_text(written.replace("from", "of", 1))
    with pytest.raises(ValueError, match="not as barlow wrote it"):
        neighbours.move_back(tmp_path / "trash")
    undo.write_text(written.replace(",", ";") + "\n", encoding="utf-8-sig")
    assert neighbours.move_back(tmp_path / "trash") == 3
    assert files_of(photos) == before


def test_where_an_image_was_that_is_lost_is_not_forgotten(collection, photos, tmp_path):
    before = files_of(photos)
    neighbours.move_copies(tmp_path / "plan.csv", tmp_path / "trash", collection)
    lost = pathlib.Path("b") / "copy 1.png"
    (tmp_path / "trash" / lost).rename(tmp_path / "found.png")
    with pytest.raises(FileNotFoundError, match=r"1 images are neither .*1\.png. The 2 others"):
        neighbours.move_back(tmp_path / "trash")
    assert files_of(photos) == {name: each for name, each in before.items() if name != lost}
    (tmp_path / "found.png").rename(photos / lost)
    assert neighbours.move_back(tmp_path / "trash") == 0
    assert files_of(photos) == before
    assert not (tmp_path / "trash").exists()


def test_images_of_one_name_in_two_collections_are_each_checked(encoder, photos, tmp_path):
    for folder, image in (("train", 20), ("test", 20), ("other", 21)):
        (tmp_path / folder).mkdir()
        draw(image).save(tmp_path / folder / "1.png")
        vectors.write(encoder, tmp_path / folder, tmp_path / f"{folder}.parquet")
    train, test, other = (tmp_path / f"{name}.parquet" for name in ("train", "test", "other"))
    plan, trash = tmp_path / "plan.csv", tmp_path / "trash"
    barlow.duplicates(train, test, exact=True).write(plan)
    with pytest.raises(ValueError, match=r"made of 2 files .* Received: 1"):
        neighbours.move_copies(plan, trash, train)
    draw(22).save(tmp_path / "train" / "1.png")  # what is kept is no longer the copy's like
    before = files_of(tmp_path)
    with pytest.raises(ValueError, match="1 images have changed"):
        neighbours.move_copies(plan, trash, train, test)
    assert files_of(tmp_path) == before
    draw(20).save(tmp_path / "train" / "1.png")
    assert neighbours.move_copies(plan, trash, train, test) == 1
    plan.unlink()  # another one has a copy of this name
    draw(21).save(photos / "again.png")
    vectors.write(encoder, photos, tmp_path / "photos.parquet")
    barlow.duplicates(tmp_path / "photos.parquet", other, exact=True).write(plan)
    with pytest.raises(FileExistsError, match="Choose an empty folder"):
        neighbours.move_copies(plan, trash, tmp_path / "photos.parquet", other)
    assert neighbours.move_back(trash) == 1


def test_a_second_move_to_a_folder_forgets_nothing_of_the_first(
    encoder, collection, photos, tmp_path
):
    before = files_of(photos)
    neighbours.move_copies(tmp_path / "plan.csv", tmp_path / "trash", collection)
    draw(50).save(photos / "b" / "copy 1.png")  # another image of the name
    draw(4).save(photos / "b" / "late.png", compress_level=1)
    vectors.write(encoder, photos, collection)
    barlow.duplicates(collection, threshold=0.999).write(tmp_path / "late.csv")
    assert neighbours.move_copies(tmp_path / "late.csv", tmp_path / "trash", collection) == 1
    (photos / "b" / "copy 1.png").unlink()
    assert neighbours.move_back(tmp_path / "trash") == 4
    assert files_of(photos) == before | {
        pathlib.Path("b") / "late.png": (photos / "b" / "late.png").read_bytes()
    }


@pytest.mark.parametrize("way", ["put back", "renamed"])
def test_images_that_were_put_back_by_hand_are_not_deleted(way, collection, photos, tmp_path):
    before, trash = files_of(photos), tmp_path / "trash"
    neighbours.move_copies(tmp_path / "plan.csv", trash, collection)
    moved = {name: each for name, each in files_of(trash).items() if name.suffix == ".png"}
    if way == "put back":
        shutil.copytree(trash, photos, dirs_exist_ok=True)
        shutil.rmtree(trash)
    else:
        shutil.rmtree(photos)
        trash.rename(photos)
    if way == "put back":
        with pytest.raises(ValueError, match=r"lies in .* already"):
            neighbours.move_copies(tmp_path / "plan.csv", photos, collection)
    assert neighbours.move_back(photos) == 0
    assert files_of(photos) == (before if way == "put back" else moved)


@pytest.mark.skipif(sys.platform == "win32", reason="needs rights on Windows")
def test_what_a_link_leads_to_is_not_deleted(collection, photos, tmp_path):
    trash = tmp_path / "trash"
    neighbours.move_copies(tmp_path / "plan.csv", trash, collection)
    moved = files_of(trash)
    (photos / "b" / "copy 1.png").symlink_to(trash / "b" / "copy 1.png")
    with pytest.raises(FileExistsError, match="1 images cannot be moved back"):
        neighbours.move_back(trash)
    assert files_of(trash) == moved


def test_what_appears_while_files_are_moved_is_not_written_over(collection, photos, tmp_path):
    """As where a disk takes two names for one; those that were moved go back."""
    before, trash = files_of(photos), tmp_path / "trash"

    def track(moves, _):
        for number, move in enumerate(moves):
            if number == 1:
                place = pathlib.Path(move.after)
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(b"another")
            yield move

    with pytest.raises(FileExistsError, match=r"something is there\. It stays where it is"):
        neighbours.move_copies(tmp_path / "plan.csv", trash, collection, track=track)
    assert len(files_of(photos)) == len(before) - 1
    assert neighbours.move_back(trash) == 1
    assert files_of(photos) == before
    assert [path.read_bytes() for path in trash.rglob("*.png")] == [b"another"]


def test_in_a_plan_of_two_files_only_images_of_the_second_are_moved(encoder, tmp_path):
    for folder, images in (("train", (20, 21)), ("test", (22, 20, 20))):
        (tmp_path / folder).mkdir()
        for name, image in enumerate(images):
            draw(image).save(tmp_path / folder / f"{name}.png", compress_level=name)
        vectors.write(encoder, tmp_path / folder, tmp_path / f"{folder}.parquet")
    both = tmp_path / "train.parquet", tmp_path / "test.parquet"
    plan, trash = tmp_path / "plan.csv", tmp_path / "trash"
    barlow.duplicates(*both, threshold=0.999).write(plan)
    text = plan.read_text()
    assert [line.split(",")[1:3] for line in text.splitlines()[1:]] == [
        ["0.png", "yes"], ["1.png", "no"], ["2.png", "no"]]  # fmt: skip
    before = files_of(tmp_path / "test")
    plan.write_text(text.replace("0.png,yes", "0.png,no").replace("1.png,no", "1.png,yes"))
    with pytest.raises(ValueError, match=r"0\.png of group 1 .* is of the first file"):
        neighbours.move_copies(plan, trash, *both)
    assert files_of(tmp_path / "test") == before
    plan.write_text(text.replace("2.png,no", "2.png,yes"))  # this copy stays
    assert neighbours.move_copies(plan, trash, *both) == 1
    assert [path.name for path in trash.rglob("*.png")] == ["1.png"]
