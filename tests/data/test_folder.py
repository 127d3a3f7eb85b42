import numpy as np
import pytest
from PIL import Image

from barlow.data import load


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
    assert images.notes == ()


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
    assert images.notes == ("Grey images of 16 bits were scaled to 8 bits.",)
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
    assert images.pixels.shape == (2, 32, 32, 3)
    (note,) = images.notes
    assert note == (
        "The images were brought to 32 x 32 pixels; they had 2 sizes from 40 x 60 to 50 x 50."
    )
    assert load(tmp_path, image_size=(20, 30)).pixels.shape == (2, 20, 30, 3)


def test_one_size_is_kept_where_it_is_small(tmp_path):
    write(tmp_path / "a.png", picture(40, 60))
    assert load(tmp_path).pixels.shape == (1, 40, 60, 3)


def test_a_crop_keeps_the_middle_of_the_longer_side(tmp_path):
    left_to_right = np.repeat(np.arange(60)[None], 20, axis=0).astype("uint8")
    write(tmp_path / "a.png", Image.fromarray(left_to_right))
    found = load(tmp_path, image_size=(20, 20)).pixels[0, ..., 0]
    np.testing.assert_array_equal(found, left_to_right[:, 20:40])


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
