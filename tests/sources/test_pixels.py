"""One image file: every format and depth exactly, or a sentence that says why not."""

import struct
import zlib

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from synthmed.errors import SourceError
from synthmed.sources.pixels import read_header, read_image, read_mask


def noise(*shape, dtype=np.uint8, seed=0):
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max + 1, shape, dtype)


def rows_last(pixels):
    """[C H W] -> [H W] or [H W C], as the writers want it."""
    return pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0)


def save(path, pixels):
    array = np.ascontiguousarray(rows_last(pixels))
    if path.suffix == ".tif":
        tifffile.imwrite(path, array, photometric="rgb" if array.ndim == 3 else "minisblack")
    elif path.suffix == ".png" and array.dtype == np.uint16:
        path.write_bytes(imagecodecs.png_encode(array))
    elif path.suffix in (".pgm", ".ppm"):
        kind, largest = ("P6" if array.ndim == 3 else "P5"), np.iinfo(array.dtype).max
        header = f"{kind}\n# made by hand\n{array.shape[1]} {array.shape[0]}\n{largest}\n"
        path.write_bytes(header.encode() + array.astype(array.dtype.newbyteorder(">")).tobytes())
    else:
        Image.fromarray(array).save(path)
    return path


EXACT = [
    (".png", 1, np.uint8),
    (".png", 3, np.uint8),
    (".png", 1, np.uint16),
    (".png", 3, np.uint16),
    (".tif", 1, np.uint8),
    (".tif", 3, np.uint8),
    (".tif", 1, np.uint16),
    (".tif", 3, np.uint16),
    (".pgm", 1, np.uint8),
    (".pgm", 1, np.uint16),
    (".ppm", 3, np.uint8),
    (".ppm", 3, np.uint16),
    (".bmp", 1, np.uint8),
    (".bmp", 3, np.uint8),
    (".gif", 1, np.uint8),
]


@pytest.mark.parametrize(("extension", "channels", "dtype"), EXACT)
def test_every_lossless_format_and_depth_is_read_exactly(tmp_path, extension, channels, dtype):
    pixels = noise(channels, 13, 17, dtype=dtype)
    path = save(tmp_path / f"image{extension}", pixels)
    found = read_image(path)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, pixels)


@pytest.mark.parametrize(("extension", "channels", "dtype"), EXACT)
def test_the_header_says_what_decoding_gives(tmp_path, extension, channels, dtype):
    header = read_header(save(tmp_path / f"image{extension}", noise(channels, 13, 17, dtype=dtype)))
    assert (header.channels, header.height, header.width) == (channels, 13, 17)
    assert header.bits == np.dtype(dtype).itemsize * 8


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_jpeg_is_read_as_its_decoder_reads_it(tmp_path, mode):
    picture = Image.fromarray(noise(16, 24, 3)).convert(mode)
    picture.save(tmp_path / "image.jpg", quality=90)
    with Image.open(tmp_path / "image.jpg") as again:
        expected = np.asarray(again)
    np.testing.assert_array_equal(rows_last(read_image(tmp_path / "image.jpg")), expected)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_exif_orientation_of_a_jpeg_is_applied(tmp_path, orientation):
    from PIL import ImageOps

    path, exif = tmp_path / "image.jpg", Image.Exif()
    exif[274] = orientation
    Image.fromarray(noise(16, 24, 3)).save(path, exif=exif)
    with Image.open(path) as picture:
        expected = np.asarray(ImageOps.exif_transpose(picture))
    found = read_image(path)
    np.testing.assert_array_equal(rows_last(found), expected)
    header = read_header(path)
    assert (header.height, header.width) == found.shape[1:]


def test_a_palette_becomes_rgb_or_grey_where_all_its_colours_are_grey(tmp_path):
    indices = noise(9, 11) % 4
    for colours, channels in (
        ([[0, 0, 0], [255, 0, 0], [0, 255, 0], [9, 8, 7]], 3),
        ([[0] * 3, [90] * 3, [7] * 3, [255] * 3], 1),
    ):
        picture = Image.new("P", (11, 9))
        picture.putdata(indices.ravel().tolist())
        picture.putpalette(np.array(colours, np.uint8).tobytes())
        for name in ("image.png", "image.gif", "image.bmp", "image.tif"):
            picture.save(tmp_path / name)
            expected = np.array(colours, np.uint8)[indices].transpose(2, 0, 1)[:channels]
            np.testing.assert_array_equal(read_image(tmp_path / name), expected)
            assert read_header(tmp_path / name).channels == channels


@pytest.mark.parametrize("options", [{"compression": "zlib"}, {"tile": (16, 16)}, {"planarconfig": "separate"}])
def test_tiff_layouts_do_not_change_the_pixels(tmp_path, options):
    pixels = noise(3, 40, 50, dtype=np.uint16)
    array = pixels if "planarconfig" in options else rows_last(pixels)
    tifffile.imwrite(tmp_path / "image.tif", array, photometric="rgb", **options)
    np.testing.assert_array_equal(read_image(tmp_path / "image.tif"), pixels)


def test_a_tiff_where_white_is_zero_is_turned_round(tmp_path):
    pixels = noise(1, 8, 9)
    tifffile.imwrite(tmp_path / "image.tif", 255 - pixels[0], photometric="miniswhite")
    np.testing.assert_array_equal(read_image(tmp_path / "image.tif"), pixels)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_alpha_is_dropped_only_where_it_is_opaque(tmp_path, dtype):
    pixels = noise(4, 8, 9, dtype=dtype)
    pixels[3] = np.iinfo(dtype).max
    for name in ("image.png", "image.tif"):
        path = tmp_path / name
        for opaque in (True, False):
            pixels[3, 2, 2] = np.iinfo(dtype).max if opaque else 7
            array = np.ascontiguousarray(rows_last(pixels))
            if name == "image.tif":
                tifffile.imwrite(path, array, photometric="rgb", extrasamples=["unassalpha"])
            else:
                path.write_bytes(imagecodecs.png_encode(array))
            if opaque:
                np.testing.assert_array_equal(read_image(path), pixels[:3])
                assert read_header(path).channels == 3
            else:
                with pytest.raises(SourceError, match="transparent"):
                    read_image(path)


def png_claiming(width, height):
    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    start = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + start + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")


def test_a_file_that_claims_too_many_pixels_is_refused_before_decoding(tmp_path):
    (tmp_path / "bomb.png").write_bytes(png_claiming(60_000, 60_000))
    # Just above Pillow's warning, far below its error.
    (tmp_path / "small_bomb.png").write_bytes(png_claiming(10_000, 10_000))
    (tmp_path / "bomb.ppm").write_bytes(b"P6 60000 60000 255\n" + b"\0" * 100)
    tifffile.imwrite(tmp_path / "bomb.tif", noise(8, 8), photometric="minisblack")
    with tifffile.TiffFile(tmp_path / "bomb.tif", mode="r+b") as file:
        for name in ("ImageWidth", "ImageLength"):
            file.pages[0].tags[name].overwrite(60_000)
    for path in tmp_path.iterdir():
        with pytest.raises(SourceError, match="pixels"):
            read_image(path)


@pytest.mark.parametrize("extension", [".png", ".jpg", ".tif", ".gif", ".pgm", ".ppm", ".bmp", "16.png", "z.tif"])
def test_a_truncated_file_of_any_format_is_refused(tmp_path, extension):
    path = tmp_path / f"image{extension}"
    channels = 1 if extension in (".gif", ".pgm") else 3
    pixels = noise(channels, 32, 40, dtype=np.uint16 if "16" in extension else np.uint8)
    if extension == "z.tif":
        tifffile.imwrite(path, rows_last(pixels), photometric="rgb", compression="zlib", rowsperstrip=8)
    else:
        save(path, pixels)
    content = path.read_bytes()
    for part in (0, 3, 10, 0.1, 0.3, 0.5, 0.7, 0.9, 0.97):
        path.write_bytes(content[: part if part > 1 else int(len(content) * part)])
        with pytest.raises(SourceError) as raised:
            read_image(path)
        assert path.name in str(raised.value) and str(tmp_path) not in str(raised.value)


def test_bytes_changed_at_random_give_pixels_or_a_source_error_and_nothing_else(tmp_path):
    generator = np.random.default_rng(1)
    for extension in (".png", ".jpg", ".tif", ".gif", ".ppm", ".bmp"):
        path = save(tmp_path / f"image{extension}", noise(1 if extension == ".gif" else 3, 12, 12))
        content = np.frombuffer(path.read_bytes(), np.uint8)
        for _ in range(40):
            broken = content.copy()
            broken[generator.integers(0, min(200, len(content)), 3)] = generator.integers(0, 256, 3)
            path.write_bytes(broken.tobytes())
            try:
                pixels = read_image(path)
            except SourceError:
                continue
            assert pixels.ndim == 3 and pixels.dtype in (np.uint8, np.uint16)


def test_pictures_that_cannot_be_read_whole_say_why(tmp_path):
    Image.new("CMYK", (8, 8)).save(tmp_path / "cmyk.jpg")
    Image.new("CMYK", (8, 8)).save(tmp_path / "cmyk.tif")
    tifffile.imwrite(tmp_path / "float.tif", np.zeros((8, 8), np.float32))
    tifffile.imwrite(tmp_path / "signed.tif", np.zeros((8, 8), np.int16))
    tifffile.imwrite(tmp_path / "stack.tif", np.zeros((3, 8, 8), np.uint8), photometric="minisblack")
    frames = [Image.fromarray(noise(8, 8, seed=seed)) for seed in range(2)]
    frames[0].save(tmp_path / "film.gif", save_all=True, append_images=frames[1:])
    (tmp_path / "text.png").write_text("not a picture")
    (tmp_path / "ascii.pgm").write_text("P2 2 2 255 0 1 2 3")
    (tmp_path / "empty.png").write_bytes(b"")
    words = {
        "cmyk.jpg": "CMYK",
        "cmyk.tif": "colour",
        "float.tif": "float32",
        "signed.tif": "int16",
        "stack.tif": "3 pictures",
        "film.gif": "2 pictures",
        "text.png": "does not begin",
        "ascii.pgm": "does not begin",
        "empty.png": "empty",
        "missing.png": "not there",
    }
    for name, word in words.items():
        with pytest.raises(SourceError, match=word):
            read_image(tmp_path / name)


def test_a_file_is_known_by_its_content_not_by_its_name(tmp_path):
    pixels = noise(3, 8, 9)
    path = save(tmp_path / "image.png", pixels).rename(tmp_path / "image.jpg")
    np.testing.assert_array_equal(read_image(path), pixels)


BINARY = noise(10, 12) % 2


@pytest.mark.parametrize("foreground", [1, 255, 128])
def test_a_mask_is_the_same_whichever_value_its_foreground_has(tmp_path, foreground):
    Image.fromarray(BINARY * np.uint8(foreground)).save(tmp_path / "mask.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.png"), BINARY)


def test_a_mask_of_one_bit_of_a_palette_of_colour_or_of_16_bits_is_read(tmp_path):
    Image.fromarray(BINARY.astype(bool)).save(tmp_path / "bit.png")
    palette = Image.new("P", (12, 10))
    palette.putdata(BINARY.ravel().tolist())
    palette.putpalette([0, 0, 0, 128, 0, 0])
    palette.save(tmp_path / "palette.gif")
    Image.fromarray(BINARY[..., None] * np.array([0, 200, 9], np.uint8)).save(tmp_path / "colour.png")
    tifffile.imwrite(tmp_path / "deep.tif", BINARY * np.uint16(65535))
    for path in tmp_path.iterdir():
        found = read_mask(path)
        assert found.dtype == np.uint8
        np.testing.assert_array_equal(found, BINARY)


def test_a_mask_of_one_value_is_all_background_or_all_foreground(tmp_path):
    for value, expected in ((0, 0), (1, 1), (255, 1)):
        Image.fromarray(np.full((4, 5), value, np.uint8)).save(tmp_path / "mask.png")
        assert (read_mask(tmp_path / "mask.png") == expected).all()
    Image.fromarray(np.full((4, 5), 77, np.uint8)).save(tmp_path / "mask.png")
    with pytest.raises(SourceError, match="no 0"):
        read_mask(tmp_path / "mask.png")


def test_a_mask_with_grey_values_is_refused_with_their_number_and_an_example(tmp_path):
    grey = BINARY * np.uint8(255)
    grey[0, :3] = (0, 254, 255)
    Image.fromarray(grey).save(tmp_path / "mask.png")
    with pytest.raises(SourceError, match=r"3 different values, for example 254.*Threshold"):
        read_mask(tmp_path / "mask.png")
    Image.fromarray(noise(10, 12) % 4).save(tmp_path / "labels.png")
    with pytest.raises(SourceError, match="4 different values"):
        read_mask(tmp_path / "labels.png")
    Image.fromarray(BINARY + np.uint8(100)).save(tmp_path / "shifted.png")
    with pytest.raises(SourceError, match="100 and 101"):
        read_mask(tmp_path / "shifted.png")
