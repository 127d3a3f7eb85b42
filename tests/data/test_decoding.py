import io
import os
import pathlib
import pickle
import struct
import warnings

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_images

from barlow.data import BadImage
from barlow.data.decoding import _UPRIGHT, decode, read_header


def noise(height=8, width=8, channels=3):
    shape = (height, width, channels) if channels > 1 else (height, width)
    return np.random.default_rng(0).integers(0, 256, shape).astype("uint8")


def saved(image, path, **options):
    image.save(path, **options)
    return path


@pytest.fixture(params=[0, 1], ids=["temple", "flower"])
def photo(request):
    return Image.fromarray(load_sample_images().images[request.param])  # 427 x 640


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".png", ".tiff", ".webp"])
def test_the_orientation_of_a_camera_is_followed(orientation, suffix, tmp_path):
    """By the words of EXIF 2.32: where row 0 and column 0 of the file are to be seen."""
    upright = noise(8, 12)
    stored = {
        1: lambda x: x,
        2: np.fliplr,
        3: lambda x: np.rot90(x, 2),
        4: np.flipud,
        5: lambda x: x.swapaxes(0, 1),
        6: lambda x: np.rot90(x, 1),
        7: lambda x: np.rot90(x.swapaxes(0, 1), 2),
        8: lambda x: np.rot90(x, -1),
    }[orientation](upright)
    image = Image.fromarray(np.ascontiguousarray(stored))
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if suffix == ".webp" else {}
    path = saved(image, tmp_path / f"a{suffix}", exif=exif, **options)
    assert read_header(path).size == (12, 8)
    np.testing.assert_array_equal(decode(path, (8, 12), 3), upright)


def exif_of(kind, count, value):
    """EXIF whose only entry is the orientation, of type 3 (whole numbers) or 2 (text)."""
    entry = struct.pack("<HHII", 0x0112, kind, count, value)
    return b"Exif\0\0II*\0\x08\0\0\0\x01\0" + entry + bytes(4)


@pytest.mark.parametrize(
    ("kind", "count", "value"),
    [(3, 1, n) for n in (0, 9, 65535)] + [(2, 2, 0x36), (2, 4, 0x363636)],
)
def test_an_orientation_that_there_is_not_is_upright(kind, count, value, tmp_path):
    upright = noise(8, 12)
    exif = exif_of(kind, count, value)
    path = saved(Image.fromarray(upright), tmp_path / "a.png", exif=exif)
    assert read_header(path).size == (12, 8)
    np.testing.assert_array_equal(decode(path, (8, 12), 3), upright)


@pytest.mark.filterwarnings("default:Metadata Warning")  # of Pillow, to users as well
@pytest.mark.parametrize("value", [0x60006, 0x30006, 0x90006])
def test_of_two_orientations_the_first_counts(value, tmp_path):
    upright = noise(8, 12)
    stored = Image.fromarray(np.ascontiguousarray(np.rot90(upright)))
    path = saved(stored, tmp_path / "a.png", exif=exif_of(3, 2, value))
    assert read_header(path).size == (12, 8)
    np.testing.assert_array_equal(decode(path, (8, 12), 3), upright)


@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_photo_turned_by_the_camera_is_padded_as_an_upright_one(orientation, tmp_path):
    upright = Image.fromarray(noise(13, 90))
    plain = saved(upright, tmp_path / "plain.png")
    back = {5: 5, 6: 8, 7: 7, 8: 6}.get(orientation, orientation)
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = upright.transpose(_UPRIGHT[back])
    turned = saved(stored, tmp_path / "turned.png", exif=exif)
    found, expected = (decode(path, (24, 32), 3, resize="pad") for path in (turned, plain))
    np.testing.assert_allclose(found.astype(int), expected.astype(int), atol=1)  # of rounding


def test_a_photo_turned_by_the_camera_is_reduced_the_right_way_round(photo, tmp_path):
    plain = saved(photo, tmp_path / "plain.jpg", quality=90)
    exif = Image.Exif()
    exif[0x0112] = 8
    turned = saved(photo.rotate(-90, expand=True), tmp_path / "turned.jpg", quality=90, exif=exif)
    difference = decode(plain, (60, 80), 3).astype(float) - decode(turned, (60, 80), 3)
    assert np.abs(difference).mean() < 1


@pytest.mark.parametrize("size", [16, 32, 64, 100])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("resize", "box"), [("crop", (106.5, 0, 533.5, 427)), ("stretch", (0, 0, 640, 427))]
)
def test_a_large_jpeg_is_reduced_while_decoding_and_differs_by_less_than_a_grey_level(
    size, channels, resize, box, photo, tmp_path
):
    path = saved(photo, tmp_path / "a.jpg", quality=90)
    with Image.open(path) as image:
        full = image.convert("L" if channels == 1 else "RGB").resize(
            (size, size), Image.Resampling.BICUBIC, box=box
        )
    difference = decode(path, (size, size), channels, resize=resize).astype(float)
    difference -= np.asarray(full).reshape(size, size, channels)
    assert np.abs(difference).mean() < 1
    assert abs(difference.mean()) < 0.25  # and nothing is lighter, darker or moved


def test_a_jpeg_not_four_times_as_large_is_decoded_in_full(photo, tmp_path):
    path = saved(photo, tmp_path / "a.jpg", quality=90)
    with Image.open(path) as image:
        full = image.resize((300, 214), Image.Resampling.BICUBIC, box=(20.7, 0, 619.3, 427))
    np.testing.assert_allclose(decode(path, (214, 300), 3, resize="crop"), full, atol=1)


@pytest.mark.parametrize("background", ["white", "black", "#ff8000"])
def test_transparent_images_lie_on_the_background(background, tmp_path):
    colour = np.array({"white": 3 * [255], "black": 3 * [0], "#ff8000": [255, 128, 0]}[background])
    rgba = noise(channels=4)
    alpha = rgba[..., 3:] / 255
    expected = alpha * rgba[..., :3] + (1 - alpha) * colour
    path = saved(Image.fromarray(rgba), tmp_path / "rgba.png")
    assert read_header(path).transparent
    np.testing.assert_allclose(decode(path, (8, 8), 3, background), expected, atol=1)

    grey = saved(Image.fromarray(rgba).convert("LA"), tmp_path / "la.png")
    luma = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
    expected = alpha[..., 0] * (rgba[..., :3] @ luma) + (1 - alpha[..., 0]) * (colour @ luma)
    np.testing.assert_allclose(decode(grey, (8, 8), 1, background)[..., 0], expected, atol=2)


@pytest.mark.parametrize("mode", ["L", "RGB", "P"])
def test_the_colour_that_a_png_calls_transparent_is_the_background(mode, tmp_path):
    image = Image.new(mode, (8, 8), 0)
    if mode == "P":
        image.putpalette([0, 0, 0, 200, 100, 50])
    image.paste(1 if mode == "P" else "white", (0, 0, 4, 8))
    path = saved(image, tmp_path / "a.png", transparency=(0, 0, 0) if mode == "RGB" else 0)
    pixels = decode(path, (8, 8), 3, "red")
    assert (pixels[:, 4:] == [255, 0, 0]).all()
    assert (pixels[:, :4] == ([200, 100, 50] if mode == "P" else 255)).all()


def test_a_grey_of_16_bits_that_a_png_calls_transparent_is_the_background(tmp_path):
    greys = np.arange(0, 6400, 100, "uint16").reshape(8, 8)
    plain = saved(Image.fromarray(greys), tmp_path / "plain.png")
    path = saved(Image.fromarray(greys), tmp_path / "a.png", transparency=3000)
    found, expected = (decode(each, (8, 8), 3, "red") for each in (path, plain))
    assert (found[greys == 3000] == [255, 0, 0]).all()
    np.testing.assert_array_equal(found[greys != 3000], expected[greys != 3000])


def test_a_palette_gives_its_colours(tmp_path):
    image = Image.fromarray(noise()).quantize(16)
    for suffix in (".png", ".gif", ".bmp"):
        path = saved(image, tmp_path / f"a{suffix}")
        np.testing.assert_array_equal(decode(path, (8, 8), 3), image.convert("RGB"))


def test_cmyk_is_made_colour(tmp_path):
    inks = np.zeros((8, 8, 4), "uint8")
    inks[:4, :, 0] = 255  # cyan
    inks[4:, :, 3] = 255  # black
    image = Image.frombytes("CMYK", (8, 8), inks)
    for suffix in (".jpg", ".tiff"):
        pixels = decode(saved(image, tmp_path / f"a{suffix}"), (8, 8), 3).astype(int)
        assert np.abs(pixels[:2] - [0, 255, 255]).max() < 8  # JPEG is not exact
        assert np.abs(pixels[6:] - [0, 0, 0]).max() < 8


def test_an_animation_is_its_first_frame(tmp_path):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime", "blue")]
    for suffix, options in ((".gif", {}), (".webp", {"lossless": True}), (".png", {})):
        path = saved(frames[0], tmp_path / f"a{suffix}", save_all=True, append_images=frames[1:],
                     **options)  # fmt: skip
        assert (decode(path, (8, 8), 3) == [255, 0, 0]).all()


@pytest.mark.parametrize("dtype", ["uint16", ">u2", "int32"])
def test_grey_of_16_bits_is_scaled_to_8(dtype, tmp_path):
    ramp = np.linspace(0, 65535, 64).round().astype(dtype).reshape(8, 8)
    path = saved(Image.fromarray(ramp), tmp_path / "a.tiff")
    assert read_header(path).deep
    np.testing.assert_allclose(decode(path, (8, 8), 1)[..., 0], ramp / 257, atol=0.5)


def test_content_decides_and_not_the_name(tmp_path):
    path = saved(Image.fromarray(noise()), tmp_path / "a.png").rename(tmp_path / "b.jpg")
    np.testing.assert_array_equal(decode(path, (8, 8), 3), noise())


def png():
    stream = io.BytesIO()
    Image.fromarray(noise(64, 64)).save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b"just text", "none of BMP"),
        (png()[:8], "damaged"),
        (png()[:40], "damaged"),
        (png()[:-2000], "truncated"),
        (b"\x89HDF\r\n\x1a\n" + bytes(500), "none of BMP"),
    ],
    ids=["empty", "text", "signature", "header", "half", "another format"],
)
def test_a_file_that_is_not_a_whole_image_is_bad_and_the_reason_is_said(content, reason, tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.raises(BadImage, match=reason) as caught:
        decode(path, (8, 8), 3)
    assert caught.value.source == str(path)
    again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - as from another process
    assert (again.source, again.reason) == (caught.value.source, caught.value.reason)


@pytest.mark.parametrize("suffix", [".jpg", ".gif", ".webp", ".tiff", ".bmp"])
def test_truncated_images_of_every_format_are_bad(suffix, tmp_path):
    path = saved(Image.fromarray(noise(64, 64)), tmp_path / f"a{suffix}")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(BadImage):
        decode(path, (8, 8), 3)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.full((8, 8), 65536, "int32"), "65536"),
        (np.full((8, 8), -1, "int32"), "from -1 to -1"),
        (np.full((8, 8), np.nan, "float32"), "NaN"),
        (np.full((8, 8), 1e5, "float32"), "100000"),
    ],
    ids=["32 bits", "negative", "NaN", "large floats"],
)
def test_values_of_which_the_range_is_not_known_are_bad(values, reason, tmp_path):
    with pytest.raises(BadImage, match=reason):
        decode(saved(Image.fromarray(values), tmp_path / "a.tiff"), (8, 8), 1)


@pytest.mark.parametrize("side", [10_000, 40_000], ids=["over ours", "over Pillow's"])
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_an_image_too_large_to_be_true_is_bad_and_the_limit_is_named(side, tmp_path):
    path = saved(Image.fromarray(noise()), tmp_path / "bomb.bmp")
    content = bytearray(path.read_bytes())
    content[18:26] = 2 * side.to_bytes(4, "little")  # width and height in its header
    path.write_bytes(content)
    for read in (read_header, lambda path: decode(path, (8, 8), 3)):
        with pytest.raises(BadImage, match=r"more than 89478485 pixels.*`max_pixels`"):
            read(path)


def test_the_limit_of_pixels_can_be_moved_both_ways(tmp_path, monkeypatch):
    path = saved(Image.fromarray(noise()), tmp_path / "a.png")
    with pytest.raises(BadImage, match="more than 63 pixels"):
        decode(path, (8, 8), 3, max_pixels=63)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 4)  # of which Pillow raises at the double
    np.testing.assert_array_equal(decode(path, (8, 8), 3, max_pixels=64), noise())


def test_damaged_exif_does_not_lose_the_image(tmp_path):
    path = saved(Image.fromarray(noise()), tmp_path / "a.png", exif=b"Exif\0\0II*\0\xff\xff\xff")
    with warnings.catch_warnings(action="ignore"):
        np.testing.assert_array_equal(decode(path, (8, 8), 3), noise())


def test_files_that_cannot_be_opened_are_bad(tmp_path):
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    (tmp_path / "nowhere.png").symlink_to(tmp_path / "gone.png")
    for name, reason in (("loop.png", "symbolic links"), ("nowhere.png", "No such file"),
                         ("never.png", "No such file"), (".", "directory")):  # fmt: skip
        with pytest.raises(BadImage, match=reason):
            decode(tmp_path / name, (8, 8), 3)


def test_a_name_that_is_not_utf_8_can_be_printed_and_written():
    path = pathlib.Path(os.fsdecode(b"caf\xe9.png"))
    with pytest.raises(BadImage, match="No such file") as caught:
        decode(path, (8, 8), 3)
    assert caught.value.source.encode("utf-8") == b"caf\\udce9.png"
