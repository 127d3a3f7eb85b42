import numpy as np
import pytest
from PIL import Image, PngImagePlugin, TiffImagePlugin

from barlow.data import formats, load


def picture(height=10, width=10, channels=3, seed=0):
    shape = (height, width, channels) if channels > 1 else (height, width)
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape).astype("uint8"))


def write(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


def test_images_are_found_at_any_depth_in_a_fixed_order(tmp_path):
    names = ["b.png", "a/c.png", "a/deep/er/d.bmp", "a/Ünïcode 图.png"]
    for seed, name in enumerate(names):
        write(tmp_path / name, picture(seed=seed))
    (tmp_path / "notes.txt").write_text("not an image")
    write(tmp_path / ".hidden" / "e.png", picture())
    images = load(tmp_path)
    order = [names.index(name) for name in sorted(names)]
    expected = np.stack([np.asarray(picture(seed=seed)) for seed in order])
    np.testing.assert_array_equal(images.pixels, expected)
    assert images.labels is None
    assert images.notes == ("Labels are left out: 3 of 4 images have one; b.png has none.",)
    assert images.passed_over == {"other files": 1, "hidden files": 1}


def test_subfolders_are_labels_where_every_image_lies_in_one(tmp_path):
    for name in ("cat/1.png", "cat/tabby/2.png", "dog/3.jpg"):
        write(tmp_path / name, picture())
    assert load(tmp_path).labels.tolist() == ["cat", "cat", "dog"]
    write(tmp_path / "4.png", picture())
    assert load(tmp_path).labels is None


def test_grey_images_stay_grey_and_colour_among_them_makes_all_colour(tmp_path):
    write(tmp_path / "grey.png", picture(channels=1))
    assert load(tmp_path).pixels.shape == (1, 10, 10, 1)
    write(tmp_path / "colour.png", picture())
    assert load(tmp_path).pixels.shape == (2, 10, 10, 3)


@pytest.mark.parametrize("dtype", ["uint16", ">u2", "int32"])
def test_grey_of_16_bits_is_scaled_to_8_and_it_is_said(dtype, tmp_path):
    ramp = np.linspace(0, 65535, 64).round().astype(dtype).reshape(8, 8)
    write(tmp_path / "a.tiff", Image.fromarray(ramp))
    if dtype == "uint16":
        write(tmp_path / "b.png", Image.fromarray(ramp))
    images = load(tmp_path)
    for pixels in images.pixels:
        np.testing.assert_allclose(pixels[..., 0], ramp / 257, atol=0.5)
    (note,) = images.notes
    assert note == "Values up to 65535 are of 16 bits: they were multiplied by 255 / 65535."
    write(tmp_path / "colour.png", picture(8, 8))  # makes colour images of all
    np.testing.assert_array_equal(load(tmp_path).pixels[0], images.pixels[0].repeat(3, axis=-1))


def test_colour_is_made_grey_and_grey_colour_where_that_is_asked_for_and_it_is_said(tmp_path):
    write(tmp_path / "grey" / "a.png", picture(channels=1))
    write(tmp_path / "colour" / "a.png", picture())
    made_grey = load(tmp_path / "colour", channels=1)
    made_colour = load(tmp_path / "grey", channels=3)
    luma = np.asarray(picture()) @ [0.299, 0.587, 0.114]  # ITU-R BT.601
    np.testing.assert_allclose(made_grey.pixels[0, ..., 0], luma, atol=1)
    np.testing.assert_array_equal(
        made_colour.pixels[0], np.asarray(picture(channels=1))[..., None].repeat(3, axis=-1)
    )
    assert made_grey.notes == ("The images were made grey.",)
    assert made_colour.notes == ("The images were made colour.",)
    assert load(tmp_path / "grey", channels=1).notes == ()
    with pytest.raises(ValueError, match="4"):
        load(tmp_path / "grey", channels=4)


def test_jpeg_files_come_close_to_what_was_saved(tmp_path):
    y, x = np.mgrid[:24, :32]
    smooth = np.stack([8 * x, 8 * y, 4 * (x + y)], -1).clip(0, 255).astype("uint8")
    Image.fromarray(smooth).save(tmp_path / "a.jpg", quality=95)
    found = load(tmp_path).pixels[0].astype(float)
    assert np.abs(found - smooth).mean() < 3


def test_images_of_many_sizes_are_brought_to_one_and_it_is_said(tmp_path):
    write(tmp_path / "a.png", picture(40, 60))
    write(tmp_path / "b.png", picture(50, 50))
    images = load(tmp_path)
    assert images.pixels.shape == (2, 48, 48, 3)
    (note,) = images.notes
    assert note == (
        "The images were brought to 48 x 48 pixels; they had 2 sizes from 40 x 60 to 50 x 50."
    )
    assert images.size_is_open
    given = load(tmp_path, image_size=(20, 30))
    assert given.pixels.shape == (2, 20, 30, 3)
    assert not given.size_is_open


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([(640, 480)], 64),  # a photo, on a processor
        ([(65, 65)], 64),
        ([(33, 70), (90, 34), (500, 35)], 40),
        ([(5, 9), (7, 6)], 16),
        ([(20, 20)] * 3 + [(900, 900)] * 2, 24),  # the median, and no mean
    ],
)
def test_the_size_is_the_median_of_the_shorter_sides(sizes, expected, tmp_path):
    for number, size in enumerate(sizes):
        write(tmp_path / f"{number}.png", Image.new("RGB", size))
    assert load(tmp_path).pixels.shape[1:] == (expected, expected, 3)


def test_one_size_is_kept_where_it_is_small(tmp_path):
    write(tmp_path / "a.png", picture(40, 60))
    assert load(tmp_path).pixels.shape == (1, 40, 60, 3)


def test_a_crop_keeps_the_middle_of_the_longer_side(tmp_path):
    left_to_right = np.repeat(np.arange(60)[None], 20, axis=0).astype("uint8")
    write(tmp_path / "a.png", Image.fromarray(left_to_right))
    found = load(tmp_path, (20, 20), resize="crop").pixels[0, ..., 0]
    np.testing.assert_array_equal(found, left_to_right[:, 20:40])


@pytest.mark.parametrize("channels", [1, 3])
def test_padding_keeps_all_of_an_image_and_its_ratio(channels, tmp_path):
    image = picture(20, 60, channels)
    write(tmp_path / "a.png", image)
    found = load(tmp_path, (60, 60), resize="pad", background="black").pixels[0]
    np.testing.assert_array_equal(found[20:40], np.asarray(image).reshape(20, 60, channels))
    assert not found[:20].any()
    assert not found[40:].any()
    assert load(tmp_path, (60, 60), resize="pad").pixels[0, 0].min() == 255


def test_stretching_keeps_all_of_an_image(tmp_path):
    image = picture(20, 60)
    write(tmp_path / "a.png", image)
    found = load(tmp_path, (30, 30), resize="stretch")
    expected = image.resize((30, 30), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(found.pixels[0], np.asarray(expected))
    assert found.resize == "stretched, bicubic"


@pytest.mark.parametrize("resize", ["crop", "pad", "stretch"])
def test_a_turned_camera_and_a_large_jpeg_are_resized_alike(resize, tmp_path):
    y, x = np.mgrid[:200, :480]
    image = Image.fromarray(np.stack([x / 2, y, (x + y) / 3], -1).astype("uint8"))
    write(tmp_path / "upright" / "a.png", image)
    exif = image.getexif()
    exif[0x0112] = 6
    (tmp_path / "turned").mkdir()
    image.rotate(90, expand=True).save(tmp_path / "turned" / "a.jpg", exif=exif, quality=98)
    one, two = (
        load(tmp_path / name, (24, 24), resize=resize).pixels[0].astype(int)
        for name in ("upright", "turned")
    )
    assert np.abs(one - two).mean() < 2


def test_another_way_of_resizing_is_refused_with_those_there_are(tmp_path):
    write(tmp_path / "a.png", picture())
    with pytest.raises(ValueError, match=r"one of crop, pad, stretch. Received: 'squash'"):
        load(tmp_path, resize="squash")


def test_the_orientation_of_a_camera_is_followed(tmp_path):
    image = picture(8, 12)
    exif = image.getexif()
    exif[0x0112] = 6  # to be shown turned by 90 degrees
    image.save(tmp_path / "a.png", exif=exif)
    found = load(tmp_path, image_size=(12, 8)).pixels[0]
    np.testing.assert_array_equal(found, np.rot90(np.asarray(image), k=-1))


def test_files_that_are_no_photos_are_passed_over(tmp_path):
    write(tmp_path / "photo.png", picture())
    for name in ("labels.h5", "clip.mpg", "figure.eps", "notes.txt"):
        (tmp_path / name).write_bytes(b"not an image")
    assert len(load(tmp_path)) == 1


@pytest.mark.parametrize("suffix", [".bmp", ".gif", ".JPG", ".jpeg", ".pgm", ".tif", ".webp"])
def test_photos_of_every_format_are_found(suffix, tmp_path):
    write(tmp_path / f"photo{suffix}", picture(channels=1))
    assert len(load(tmp_path)) == 1


def test_a_folder_without_images_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("not an image")
    with pytest.raises(ValueError, match=r"no image files.*JPEG, PNG"):
        load(tmp_path)


def test_what_looks_like_an_image_and_is_not_read_is_counted_by_kind(tmp_path):
    write(tmp_path / "a.png", picture())
    others = {
        "HEIC": ["b.HEIC", "deep/c.heif"],
        "DICOM": ["d.dcm"],
        "raw photos": ["e.CR2", "f.nef", "g.DNG"],
        "films": ["h.mp4"],
        "archives": ["i.zip", "j.tar.gz"],
        "other files": ["notes.txt", "no_suffix"],
        "hidden files": [".DS_Store", ".git/config", ".git/objects/ab"],
        "hidden images": [".k.png"],
    }
    for names in others.values():
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(b"")
    with_heif = formats.is_image_name("b.heic")
    images = load(tmp_path)
    if with_heif:
        assert [reason for _, reason in images.skipped] == ["it is empty"] * 2
        del others["HEIC"]
    assert images.passed_over == {kind: len(names) for kind, names in others.items()}
    (note,) = (note for note in images.notes if note.startswith("Passed over"))
    for kind, names in others.items():
        is_said = kind not in ("other files", "hidden files")
        assert (f"{len(names)} {kind}" in note) == is_said
    assert "a .tar is read" in note


def test_without_the_package_photos_of_phones_are_named_with_what_reads_them(tmp_path):
    assert formats.passed_over({"HEIC": 20, "other files": 3}) == [
        "Passed over: 20 HEIC (pip install 'barlow[heif]' reads them)."
    ]


@pytest.mark.parametrize("suffix", [".heic", ".avif", ".jp2"])
def test_newer_formats_are_read_where_the_libraries_can(suffix, tmp_path):
    if not formats.is_image_name(f"a{suffix}"):
        pytest.skip(f"no library for {suffix} here")
    flat = Image.new("RGB", (16, 16), (200, 40, 90))
    write(tmp_path / f"a{suffix}", flat)
    pixels = load(tmp_path).pixels
    np.testing.assert_allclose(pixels[0, 8, 8], (200, 40, 90), atol=6)


PARTS = {"train/n0/1.png": "n0", "train/n1/2.png": "n1", "val/n0/3.png": "n0"}


@pytest.mark.parametrize("rename", [str, str.upper, str.title])
def test_the_parts_of_a_split_are_no_classes(rename, tmp_path):
    for name in PARTS:
        top, rest = name.split("/", 1)
        write(tmp_path / rename(top) / rest, picture())
    images = load(tmp_path)
    assert images.labels.tolist() == ["n0", "n1", "n0"]
    assert any("parts of a split, not classes" in note for note in images.notes)
    train = load(tmp_path, split=rename("train"))
    assert train.labels.tolist() == ["n0", "n1"]
    assert train.notes == ()


def test_a_split_that_is_not_there_is_refused_with_those_that_are(tmp_path):
    for name in PARTS:
        write(tmp_path / name, picture())
    with pytest.raises(ValueError, match=r"'tran'.*There are: train, val.*Did you mean 'train'"):
        load(tmp_path, split="tran")
    with pytest.raises(ValueError, match="Only a folder"):
        load(tmp_path / "train" / "n0" / "*.png", split="train")


def test_what_makes_labels_doubtful_or_takes_them_away_is_said(tmp_path):
    write(tmp_path / "one" / "cat" / "1.png", picture())
    assert load(tmp_path / "one").labels is None
    assert "one subfolder, cat: it is no label" in load(tmp_path / "one").notes[0]
    write(tmp_path / "one" / "dog" / "2.png", picture())
    write(tmp_path / "one" / "stray.png", picture())
    assert "2 of 3 images have one; stray.png has none" in load(tmp_path / "one").notes[0]
    (tmp_path / "one" / "stray.png").write_bytes(b"no image")  # a bad file takes nothing away
    assert load(tmp_path / "one").labels.tolist() == ["cat", "dog"]


def test_grey_of_12_bits_is_not_nearly_black(tmp_path):
    """One factor for the set: from its brightest image, not from each."""
    for number, top in enumerate((500, 4000)):
        ramp = np.linspace(0, top, 64).astype("uint16").reshape(8, 8)
        write(tmp_path / f"{number}.tiff", Image.fromarray(ramp))
    images = load(tmp_path)
    assert "12 bits" in images.notes[0]
    np.testing.assert_allclose(
        np.max(images.pixels[:], axis=(1, 2, 3)), np.array([500, 4000]) * 255 / 4095, atol=1
    )


def test_masks_in_files_are_black_and_white_and_floats_have_their_range(tmp_path):
    mask = np.random.default_rng(0).integers(0, 2, (8, 8)).astype("uint8")
    write(tmp_path / "masks" / "1.png", Image.fromarray(mask))
    write(tmp_path / "masks" / "2.png", Image.fromarray(np.zeros((8, 8), "uint8")))
    images = load(tmp_path / "masks")
    np.testing.assert_array_equal(images.pixels[0, ..., 0], 255 * mask)
    assert "multiplied by 255" in images.notes[0]
    floats = np.random.default_rng(0).uniform(size=(8, 8)).astype("float32")
    for name in ("1.tiff", "2.pfm"):
        write(tmp_path / "floats" / name, Image.fromarray(floats))
    for pixels in load(tmp_path / "floats").pixels:
        np.testing.assert_allclose(pixels[..., 0], 255 * floats, atol=0.6)
    signed = (4000 * floats - 1000).astype("int32")
    write(tmp_path / "masks" / "ct.tiff", Image.fromarray(signed))
    images = load(tmp_path / "masks")  # one that cannot be is named, the others are kept
    assert len(images) == 2
    assert "0 is the smallest possible value" in images.skipped[0][1]


@pytest.mark.parametrize("memory", [0, 2**30], ids=["lazy", "in memory"])
def test_pages_are_counted_or_taken(memory, tmp_path):
    pages = [picture(8, 8, seed=seed) for seed in range(4)]
    pages[0].save(tmp_path / "stack.tif", save_all=True, append_images=pages[1:])
    write(tmp_path / "single.tif", picture(8, 8, seed=9))
    first = load(tmp_path, memory=memory)
    assert len(first) == 2
    assert "the first is taken, 3 more are left out" in first.notes[0]
    images = load(tmp_path, memory=memory, pages="all")
    assert images.names.tolist() == ["single.tif", *(f"stack.tif, page {n}" for n in (1, 2, 3, 4))]
    np.testing.assert_array_equal(images.pixels[1:], np.stack([np.asarray(p) for p in pages]))
    with pytest.raises(ValueError, match="first, all"):
        load(tmp_path, pages="some")


@pytest.mark.parametrize("memory", [0, 2**30], ids=["lazy", "in memory"])
def test_each_page_of_a_scan_has_its_own_colour_and_depth(memory, tmp_path):
    grey, colour = picture(8, 8, seed=1).convert("L"), picture(8, 8, seed=2).convert("RGB")
    assert (np.asarray(colour) != np.asarray(colour)[..., :1]).any()
    grey.save(tmp_path / "scan.tif", save_all=True, append_images=[colour])
    images = load(tmp_path, memory=memory, pages="all")
    np.testing.assert_array_equal(images.pixels[1], np.asarray(colour))
    deep = Image.fromarray(np.linspace(0, 4095, 64).reshape(8, 8).astype("uint16"))
    grey.save(tmp_path / "scan.tif", save_all=True, append_images=[deep])
    images = load(tmp_path, memory=memory, pages="all")
    pixels = images.pixels[:]
    np.testing.assert_array_equal(pixels[0, ..., 0], np.asarray(grey))
    assert pixels[1].max() > 250  # not 4095 of 65535


def test_each_frame_of_an_animation_has_its_own_colour(tmp_path):
    grey = Image.fromarray(np.arange(256, dtype="uint8").reshape(16, 16))
    frames = [grey.rotate(90), Image.new("RGB", (16, 16), "red"), grey.rotate(180)]
    frames[1].paste(grey, (4, 4))  # the next one begins from it
    grey.save(tmp_path / "a.gif", save_all=True, append_images=frames)
    with Image.open(tmp_path / "a.gif") as image:
        assert image.mode == "L"
    pixels = load(tmp_path, pages="all").pixels
    for found, frame in zip(pixels, [grey, *frames], strict=True):
        np.testing.assert_array_equal(found, frame.convert("RGB"))


@pytest.mark.parametrize("memory", [0, 2**30], ids=["lazy", "in memory"])
def test_each_page_has_its_own_limit_of_pixels(memory, tmp_path):
    pages = [picture(16, 16), picture(8, 8)]
    picture(8, 8).save(tmp_path / "stack.tif", save_all=True, append_images=pages)
    images = load(tmp_path, memory=memory, pages="all", max_pixels=64)
    assert images.names.tolist() == ["stack.tif, page 1", "stack.tif, page 3"]
    assert images.pixels[:].shape == (2, 8, 8, 3)
    ((where, reason),) = images.skipped
    assert where == str(tmp_path / "stack.tif, page 2")
    assert "more than 64 pixels" in reason


@pytest.mark.parametrize("memory", [0, 2**30], ids=["lazy", "in memory"])
@pytest.mark.parametrize("pages", ["first", "all"])
def test_a_smaller_copy_before_the_photo_is_left_out(pages, memory, tmp_path):
    photo = picture(16, 24)
    with TiffImagePlugin.AppendingTiffWriter(tmp_path / "a.tif") as file:
        photo.resize((12, 8)).save(file, "TIFF", tiffinfo={254: 1})
        file.newFrame()
        photo.save(file, "TIFF")
    images = load(tmp_path, memory=memory, pages=pages)
    assert images.names.tolist() == ["a.tif"]
    np.testing.assert_array_equal(images.pixels[:], [np.asarray(photo)])


def test_descriptions_and_profiles_of_megabytes_do_not_lose_the_image(tmp_path):
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", "x" * (3 * 2**20), zip=True)
    picture().save(tmp_path / "xmp.png", pnginfo=info)
    picture().save(tmp_path / "icc.png", icc_profile=bytes(2 * 2**20))
    assert len(load(tmp_path)) == 2


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\0\0\0\x20ftypmp42" + bytes(99), "it is a film"),
        (b"<!DOCTYPE html><html>404", "it is a web page"),
        (b"version https://git-lfs.github.com/spec/v1", "git lfs pull"),
        (bytes(128) + b"DICM", "it is DICOM"),
        (b"%PDF-1.4", "it is PDF"),
        (b"8BPS" + bytes(99), "it is PSD"),
        (b"PK\x03\x04" + bytes(99), "zip archive"),
        (b"II*\0" + bytes(99), "TIFF"),
        (b"", "it is empty"),
    ],
)
def test_the_reason_why_a_file_is_not_read_is_true(content, reason, tmp_path):
    write(tmp_path / "1.png", picture())
    (tmp_path / "2.jpg").write_bytes(content)
    ((_, said),) = load(tmp_path).skipped
    assert reason in said
