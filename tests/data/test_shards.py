import io
import tarfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from marking import marked

from barlow.data import LazyPixels, load
from barlow.data.shards import Member, _sample


def png(value):
    file = io.BytesIO()
    marked(value).save(file, "png")
    return file.getvalue()


def write(path, members, **options):
    with tarfile.open(path, "w", **options) as archive:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def values(images):
    return images.pixels[:][:, 0, 0, 0].tolist()


@pytest.fixture
def shards(tmp_path):
    """Two archives of three samples each, labels 0 .. 5 before images 10 .. 15."""
    for shard in (0, 1):
        members = []
        for i in range(3 * shard, 3 * shard + 3):
            members += [(f"{i:03}.cls", b"%d\n" % i), (f"{i:03}.png", png(10 + i))]
        write(tmp_path / f"shard-{shard}.tar", members)
    return tmp_path


def test_one_archive_a_list_and_a_pattern(shards):
    first, second = shards / "shard-0.tar", shards / "shard-1.tar"
    for source, expected in (
        (first, [0, 1, 2]),
        ([second, first], [3, 4, 5, 0, 1, 2]),
        (f"{shards}/shard-*.tar", [0, 1, 2, 3, 4, 5]),
        (f"{shards}/**/*.tar", [0, 1, 2, 3, 4, 5]),
    ):
        images = load(source)
        assert images.labels.tolist() == expected
        assert values(images) == [10 + label for label in expected]
        assert images.skipped == images.notes == ()


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_format_of_tar_is_read_and_names_may_be_long_and_in_any_script(form, tmp_path):
    names = ["./a/1.png", "a/図 ä.png", "b" * 90 + "/" + "c" * 90 + ".png"]
    members = [(name, png(value)) for value, name in enumerate(names)]
    images = load(write(tmp_path / "x.tar", members, format=form), memory=0)
    assert values(images) == [0, 1, 2]
    assert isinstance(images.pixels, LazyPixels)
    assert [file.name for file in images.pixels.files] == names


@pytest.mark.parametrize("root", [".", "", "./", "/"])
def test_an_archive_of_a_folder_that_is_named_by_a_dot_is_read(root, tmp_path):
    """As of `tar cf photos.tar .`"""
    for number in (1, 2):
        (tmp_path / "photos" / "a").mkdir(parents=True, exist_ok=True)
        (tmp_path / "photos" / "a" / f"{number}.png").write_bytes(png(number))
    path = tmp_path / "photos.tar"
    with tarfile.open(path, "w") as archive:
        folder = tarfile.TarInfo(root)
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        archive.add(tmp_path / "photos", arcname=".")
    found = load(path)
    assert values(found) == [1, 2]
    assert found.skipped == ()


def test_all_images_of_a_sample_have_its_label_wherever_it_stands(tmp_path):
    members = [
        ("a/1.left.png", png(1)),
        ("a/1.right.PNG", png(2)),
        ("b/1.cls", b"dog"),
        ("a/1.cls", b"cat"),
        ("a/1.json", b"{}"),
        ("b/1.png", png(3)),
    ]
    images = load(write(tmp_path / "x.tar", members))
    assert values(images) == [1, 2, 3]
    assert images.labels.tolist() == ["cat", "cat", "dog"]


def test_samples_of_one_name_in_two_archives_are_two(tmp_path):
    paths = [
        write(tmp_path / f"{i}.tar", [("1.png", png(i)), ("1.cls", b"%d" % i)]) for i in (0, 1)
    ]
    assert load(paths).labels.tolist() == [0, 1]


def test_labels_that_only_some_images_have_are_left_out_and_it_is_said(tmp_path):
    members = [("1.png", png(1)), ("1.cls", b"0"), ("2.png", png(2))]
    images = load(write(tmp_path / "x.tar", members))
    assert values(images) == [1, 2]
    assert images.labels is None
    assert images.notes == ("Labels are left out: 1 of 2 images have one; 2.png has none.",)


def test_what_is_hidden_or_no_image_is_passed_over_and_links_are_listed(tmp_path):
    path = write(tmp_path / "x.tar", [("1.png", png(1)), ("._1.png", b"x"), (".a/2.png", b"x")])
    with tarfile.open(path, "a") as archive:
        for kind, name in ((tarfile.SYMTYPE, "3.png"), (tarfile.DIRTYPE, "4.png")):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "1.png"
            archive.addfile(member)
    images = load(path)
    assert values(images) == [1]
    assert images.skipped == ((f"{path}/3.png", "it is not a plain file in the archive"),)


def test_an_archive_cut_anywhere_gives_what_is_whole_in_it_and_says_so(shards):
    whole, path = (shards / "shard-0.tar").read_bytes(), shards / "cut.tar"
    with tarfile.open(shards / "shard-0.tar") as archive:
        ends = [m.offset_data + m.size for m in archive if m.name.endswith("png")]
        end = archive.offset  # of the last member; what follows is zeros
    for size in [*range(ends[0], end, 100), *ends, end, end + 100]:
        path.write_bytes(whole[:size])
        images = load(path)
        count = sum(stop <= size for stop in ends)
        assert values(images) == [10, 11, 12][:count], size
        assert images.labels.tolist() == [0, 1, 2][:count], size
        assert images.skipped[-1][0] == str(path), size
        assert f"{count} images before that are used" in images.skipped[-1][1], size
    path.write_bytes(whole[: end + tarfile.BLOCKSIZE])
    assert load(path).skipped == ()


def test_an_image_whose_label_is_cut_off_is_left_out_with_it(tmp_path):
    members = [(f"{i}.{kind}", png(i) if kind.endswith("png") else b"%d" % i)
               for i in (1, 2) for kind in ("png", "seg.png", "cls")]  # fmt: skip
    path = write(tmp_path / "x.tar", members)
    with tarfile.open(path) as archive:
        size = archive.getmember("2.cls").offset
    path.write_bytes(path.read_bytes()[:size])
    images = load(path)
    assert values(images) == [1, 1]
    assert images.labels.tolist() == [1, 1]
    assert {where for where, _ in images.skipped} == {
        f"{path}/2.png", f"{path}/2.seg.png", str(path)
    }  # fmt: skip


def test_an_archive_with_a_damaged_header_gives_what_is_before_it(shards):
    path = shards / "shard-0.tar"
    with tarfile.open(path) as archive:
        offset = archive.getmember("001.png").offset
    content = bytearray(path.read_bytes())
    content[offset : offset + 512] = b"x" * 512
    path.write_bytes(content)
    images = load([path, shards / "shard-1.tar"])
    assert images.labels.tolist() == [0, 3, 4, 5]
    assert images.skipped == (
        (str(path), "it is damaged or cut short; 1 images before that are used"),
    )


def test_archives_that_are_none_are_skipped_and_listed(shards):
    (shards / "empty.tar").touch()
    (shards / "text.tar").write_text("no archive" * 100)
    with tarfile.open(shards / "packed.tar", "w:gz") as archive:
        archive.add(shards / "shard-0.tar", "1.png")
    images = load([*sorted(shards.glob("*.tar")), shards / "nowhere.tar"])
    assert len(images) == 6
    bad = ["empty.tar", "packed.tar", "text.tar", "nowhere.tar"]
    assert [where for where, _ in images.skipped] == [str(shards / name) for name in bad]
    assert all(reason for _, reason in images.skipped)
    with pytest.raises(ValueError, match=r"None of the 1 images can be read.*text\.tar"):
        load(shards / "text.tar")


def test_archives_without_images_are_refused(tmp_path):
    path = write(tmp_path / "x.tar", [("1.txt", b"no image")])
    with pytest.raises(ValueError, match=r"no images in .*x\.tar"):
        load(path)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("1.jpg", ("1", "jpg")),
        ("./a.b/1.seg.PNG", ("a.b/1", "seg.png")),
        ("1", ("1", "")),
        (".1.jpg", ("", "1.jpg")),
    ],
)
def test_a_sample_is_a_name_up_to_the_first_dot_of_its_last_part(name, expected):
    assert _sample(name) == expected


@settings(deadline=None)
@given(
    content=st.binary(max_size=300),
    data=st.data(),
)
def test_a_member_reads_and_seeks_as_a_file_of_its_bytes_does(content, data, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "member"
    path.write_bytes(content)
    offset = data.draw(st.integers(0, len(content)))
    size = data.draw(st.integers(0, len(content) - offset))
    expected = io.BytesIO(content[offset : offset + size])
    with Member(path, "x", offset, size).open("rb") as file:
        for _ in range(data.draw(st.integers(1, 6))):
            position = data.draw(st.integers(0, 310))
            whence = data.draw(st.sampled_from([io.SEEK_SET, io.SEEK_END]))
            position = position if whence == io.SEEK_SET else -min(position, size)
            assert file.seek(position, whence) == expected.seek(position, whence)
            count = data.draw(st.integers(-1, 310))
            assert file.read(count) == expected.read(count)
            assert file.tell() == expected.tell()


def test_members_are_read_in_any_order(shards):
    pixels = load(shards / "shard-0.tar", memory=0).pixels
    np.testing.assert_array_equal(pixels[[2, 0, 1]][:, 0, 0, 0], [12, 10, 11])
