"""Images from files and named sets: what is read, and how what is wrong is said."""

import gzip
import io
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import InputError
from engine.images import datasets, published
from engine.images.datasets import load_dataset
from engine.images.formats import contents, npz
from engine.images.formats.npz import npz_bytes
from engine.images.imageset import ImageSet, joined
from engine.images.readers import read_images
from engine.images.trigger import blend, read_trigger, square, trigger_bytes

PIXELS = np.arange(12 * 3 * 3, dtype=np.uint8).reshape(12, 3, 3)
LABELS = np.arange(12) % 3


def idx(array):
    return bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def csv_text(pixels=PIXELS, labels=LABELS):
    return "".join(f"{','.join(map(str, p.ravel()))},{y}\n" for p, y in zip(pixels, labels, strict=True))


def png(path, array):
    pytest.importorskip("PIL.Image").fromarray(array).save(path)


def write(folder, kind, pixels=PIXELS, labels=LABELS):
    """The set in a format of this kind; its path."""
    if kind.startswith("idx"):
        end = ".gz" if kind.endswith("gz") else ""
        pack = gzip.compress if end else bytes
        (folder / f"a-labels-idx1-ubyte{end}").write_bytes(pack(idx(labels.astype(np.uint8))))
        path = folder / f"a-images-idx3-ubyte{end}"
        path.write_bytes(pack(idx(pixels)))
    elif kind.startswith("csv"):
        path = folder / f"a.{kind}"
        text = csv_text(pixels, labels).encode()
        path.write_bytes(gzip.compress(text) if kind.endswith("gz") else text)
    elif kind == "npz":
        path = folder / "a.npz"
        np.savez(path, images=pixels, labels=labels)
    else:
        path = folder / "a"
        for number, (p, y) in enumerate(zip(pixels, labels, strict=True)):
            (path / str(y)).mkdir(parents=True, exist_ok=True)
            png(path / str(y) / f"{number:02}.png", p)
    return path


KINDS = ["idx", "idx.gz", "csv", "csv.gz", "npz", "png"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_format_gives_the_same_set(tmp_path, kind):
    found = read_images(write(tmp_path, kind))
    order = np.lexsort((np.arange(12), LABELS)) if kind == "png" else np.arange(12)
    assert found.shape == (1, 3, 3) and found.classes == 3
    assert (found.labels == LABELS[order]).all()
    assert (found.images[:, 0] == PIXELS[order].astype(np.float32) / np.float32(255)).all()


def test_colours_and_sixteen_bits(tmp_path):
    pil = pytest.importorskip("PIL.Image")
    for kind, array, expected in (
        ("rgb", np.arange(27, dtype=np.uint8).reshape(3, 3, 3), None),
        ("deep", np.full((3, 3), 65535, np.uint16), 1.0),
    ):
        (tmp_path / kind / "0").mkdir(parents=True)
        pil.fromarray(array).save(tmp_path / kind / "0" / "a.PNG", format="PNG")
        found = read_images(tmp_path / kind).images[0]
        assert (found == (array.transpose(2, 0, 1) / np.float32(255) if expected is None else expected)).all()


def refused(path, match, **options):
    with pytest.raises(InputError, match=match) as caught:
        read_images(path, **options)
    assert "\n" not in str(caught.value) and path.name in str(caught.value)


@pytest.mark.parametrize("kind", ["idx.gz", "csv.gz"])
def test_a_truncated_gzip_file(tmp_path, kind):
    path = write(tmp_path, kind)
    path.write_bytes(path.read_bytes()[:-9])
    refused(path, "no whole gzip file")
    path.write_bytes(b"plain")
    refused(path, "no whole gzip file")


def test_wrong_idx_files(tmp_path):
    path = write(tmp_path, "idx")
    right = path.read_bytes()
    path.write_bytes(right[:-1])
    refused(path, "speaks of 108 bytes, and 107 follow")
    path.write_bytes(bytes((0, 0, 8, 3)) + b"\xff" * 12)
    refused(path, "and 0 follow")
    path.write_bytes(b"\0\0\x0d\3" + right[4:])
    refused(path, "no IDX file of bytes in 3 dimensions")
    path.write_bytes(right)
    (tmp_path / "a-labels-idx1-ubyte").write_bytes(idx(LABELS[1:].astype(np.uint8)))
    refused(path, "12 images and 11 labels")
    (tmp_path / "a-labels-idx1-ubyte").unlink()
    with pytest.raises(InputError, match="a-labels-idx1-ubyte: cannot be read"):
        read_images(path)


@pytest.mark.parametrize(
    "text, match",
    [
        ("label," + csv_text(), "not every line is as many numbers"),
        ("a,b,c,d,label\n" + "1,2,3,4,0\n", "no header"),
        ("1,2,3,4,0\n1,2,3,0\n", "not every line"),
        ("1,2,3,0\n", "3 pixels are no square image"),
        ("0\n", "0 pixels are no square"),
        ("1,2,3,4,0.5\n", "a label is no whole number"),
        ("1,2,3,4,nan\n", "a label is no whole number"),
        ("1,2,3,4,inf\n", "a label is no whole number"),
        ("1,2,nan,4,0\n", "a pixel is not in 0 to 1"),
        ("1,2,256,4,0\n", "a pixel is not in 0 to 1"),
        ("1,2,-1,4,0\n", "a pixel is not in 0 to 1"),
        ("1,2,3,4,-1\n", "label -1 is out of range"),
        ("1,2,3,4,1e15\n", "label 1000000000000000 is out of range"),
        ("", "there are no images"),
        ("\u00e9\n", "no CSV file of numbers"),
    ],
)
def test_wrong_csv_files(tmp_path, text, match):
    path = tmp_path / "a.csv"
    path.write_text(text, encoding="utf-8")
    refused(path, match)


def test_labels_above_the_classes_that_are_asked_for(tmp_path):
    refused(write(tmp_path, "csv"), "label 2 is out of range", classes=2)


# .npz, which anyone may have made


def npy(shape="(1, 3, 3)", dtype="|u1", data=b"\0" * 9):
    header = f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header.encode() + data


def hostile(path, images, labels=None):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("images.npy", images)
        file.writestr("labels.npy", npy("(1,)", "<i8", b"\0" * 8) if labels is None else labels)


def test_the_hand_made_file_is_right(tmp_path):
    hostile(tmp_path / "a.npz", npy())
    assert read_images(tmp_path / "a.npz").shape == (1, 3, 3)


@pytest.mark.parametrize(
    "images",
    [
        npy("(1000000000000, 3, 3)"),
        npy("(-1, 3, 3)"),
        npy(f"({2**70}, 3, 3)"),
        npy("(1, 3, 3)", "|O", b"\x80\4N."),
        npy(dtype="<U1", data=b"\0" * 36),
        npy("'a'"),
        npy("(1, 3)"),
        npy()[:20],
        b"",
        b"\x93NUMPY\3\0" + b"\xff" * 4,
        npy(data=b""),
        npy("(1, 1, 1, 3, 3)"),
    ],
)
def test_hostile_arrays(tmp_path, images):
    hostile(tmp_path / "a.npz", images)
    refused(tmp_path / "a.npz", "no .npz file of plain numbers|images .* of type")


def test_zip_bombs_are_not_unpacked(tmp_path, monkeypatch):
    hostile(tmp_path / "a.npz", npy(data=b"\0" * 10_000_000))
    monkeypatch.setattr(npz, "MAX_BYTES", 1_000_000)
    refused(tmp_path / "a.npz", "more than 2 GiB")
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(b"0," * 5_000_000))
    monkeypatch.setattr("engine.images.formats.csv.MAX_BYTES", 2**20)
    refused(tmp_path / "b.csv.gz", "more than 1 MiB")


def test_what_npz_files_do_not_say(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, images=PIXELS / 255, labels=LABELS)
    refused(path, "how pixels of type float64 are written is not known; say the value of white")
    assert read_images(path, white=1.0).images.max() == np.float32(PIXELS.max() / 255)
    for white in (0.0, -1.0, float("nan"), float("inf")):
        refused(path, "white is", white=white)
    np.savez(path, images=PIXELS, labels=LABELS / 2)
    refused(path, "labels whole numbers")
    np.savez(path, images=PIXELS, labels=LABELS[1:])
    refused(path, r"images \[12, 1, 3, 3\] of type uint8, labels \[11\]")
    np.savez(path, pictures=PIXELS)
    refused(path, "no array 'images'")
    np.savez(path, images=PIXELS[:0], labels=LABELS[:0])
    refused(path, "there are no images")
    np.savez(path, images=np.full((2, 3, 3), np.nan), labels=[0, 1])
    refused(path, "a pixel is not in 0 to 1", white=1.0)


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_damaged_npz_files_are_refused_or_read(data):
    """Whatever happens to the bytes: an InputError, or a sound set."""
    right = npz_bytes(ImageSet(np.zeros((2, 1, 3, 3), np.float32), np.array([0, 1]), 2))
    place = data.draw(st.integers(0, len(right) - 1))
    damaged = right[:place] + data.draw(st.binary(max_size=8)) + right[place + data.draw(st.integers(0, 8)) :]
    try:
        table = npz.read_npz(damaged, where="a.npz")
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert len(table.pixels) == len(table.labels)


def test_a_set_written_is_the_set_read(tmp_path):
    images = ImageSet(np.random.default_rng(0).random((4, 2, 3, 5), np.float32), np.array([0, 1, 1, 0]), 7, "a")
    (tmp_path / "a.npz").write_bytes(npz_bytes(images))
    again = read_images(tmp_path / "a.npz")
    assert (again.images == images.images).all() and (again.labels == images.labels).all() and again.classes == 7
    assert npz_bytes(images) == npz_bytes(again)


# PNG


def bomb(width, height):
    """A PNG file of a hundred bytes that says it has so many pixels."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def test_wrong_png_folders(tmp_path):
    pytest.importorskip("PIL.Image")
    refused(tmp_path, "there are no PNG files")
    (tmp_path / "0").mkdir()
    file = tmp_path / "0" / "a.png"
    for data, match in (
        (bomb(60_000, 60_000), "a.png: (it has 60000 x 60000 pixels|this is no PNG image)"),
        (bomb(5000, 5000), "5000 x 5000 pixels"),
        (bomb(5, 5), "no PNG image"),
        (b"\x89PNG", "no PNG image"),
        (b"", "no PNG image"),
        (b"GIF89a", "no PNG image"),
    ):
        file.write_bytes(data)
        with pytest.raises(InputError, match=match):
            read_images(tmp_path)
    png(file, np.zeros((3, 3), np.uint8))
    png(tmp_path / "0" / "b.png", np.zeros((3, 4), np.uint8))
    with pytest.raises(InputError, match="another size"):
        read_images(tmp_path)
    png(tmp_path / "0" / "b.png", np.zeros((3, 3, 4), np.uint8))
    with pytest.raises(InputError, match="transparent"):
        read_images(tmp_path)
    (tmp_path / "0" / "b.png").unlink()
    (tmp_path / "0").rename(tmp_path / "99999999999999999999")
    refused(tmp_path, "label 4611686018427387904 is out of range")


def test_other_files(tmp_path):
    (tmp_path / "a.txt").write_text("x")
    refused(tmp_path / "a.txt", "the kind of file is not known")
    refused(tmp_path / "none.npz", "cannot be read")
    import os

    os.mkfifo(tmp_path / "pipe.csv")
    refused(tmp_path / "pipe.csv", "cannot be read")


# Sets


def test_parts_of_sets():
    images = ImageSet(np.zeros((10, 1, 2, 2), np.float32), np.array([0] * 7 + [1] * 3), 2, "few")
    first, rest = images.split(0.3, seed=1)
    assert np.bincount(first.labels).tolist() == [2, 1] and len(rest) == 7
    assert np.bincount(images.per_class(3).labels).tolist() == [3, 3]
    with pytest.raises(InputError, match="few: class 1 has 3 images, and 4 are needed"):
        images.per_class(4)
    assert len(joined(list(images.batches(4)))) == 10


@pytest.mark.parametrize(
    "images, labels, match",
    [
        (np.zeros((2, 3, 3)), [0, 1], "do not belong together"),
        (np.zeros((2, 1, 3, 3)), [0], "do not belong together"),
        (np.zeros((1, 1, 3, 3)), [5], "label 5 is out of range"),
        (np.full((1, 1, 3, 3), 2.0), [0], "not in 0 to 1"),
    ],
)
def test_sets_that_are_none(images, labels, match):
    with pytest.raises(InputError, match=match):
        ImageSet(images.astype(np.float32), np.array(labels), 2)


def test_a_set_too_small_to_be_split(tmp_path):
    with pytest.raises(InputError, match="3 images are too few"):
        load_dataset(str(write(tmp_path, "csv", PIXELS[:3], LABELS[:3])))


def test_digits_are_the_default():
    pytest.importorskip("sklearn")
    found = load_dataset("digits")
    assert (len(found.train), len(found.held_out), found.train.shape) == (1438, 359, (1, 8, 8))
    assert np.bincount(found.held_out.labels).min() >= 34 and found.train.images.max() == 1


def test_the_extra_is_asked_for(monkeypatch, tmp_path):
    write(tmp_path, "png")
    for module, call in (
        ("sklearn.datasets", lambda: load_dataset("digits")),
        ("PIL", lambda: read_images(tmp_path / "a")),
    ):
        monkeypatch.setitem(__import__("sys").modules, module, None)
        with pytest.raises(InputError, match=r"pip install 'acasxu-engine\[images\]'"):
            call()


@pytest.fixture
def small_sets(monkeypatch):
    """Sets as published, but of 12 images."""
    from hashlib import sha256

    from engine.fetching import Entry

    files = {
        "train-images-idx3-ubyte": idx(PIXELS),
        "train-labels-idx1-ubyte": idx(LABELS.astype(np.uint8)),
        "t10k-images-idx3-ubyte": idx(PIXELS[:6]),
        "t10k-labels-idx1-ubyte": idx(LABELS[:6].astype(np.uint8)),
        "mnist_5k.csv": (csv_text() * 3).encode(),
    }
    entries = [Entry(name, sha256(data).hexdigest(), len(data)) for name, data in files.items()]
    monkeypatch.setattr(published, "SETS", ((tuple(entries[:4]), ()), (tuple(entries[4:]), ())))
    monkeypatch.setattr(datasets, "FASHION", tuple(entries[:4]))
    monkeypatch.setattr(datasets, "MNIST", tuple(entries[4:]))
    monkeypatch.setattr(datasets, "DEBIAN", Path("/nowhere"))
    monkeypatch.delenv(datasets.VARIABLE, raising=False)
    return files


def test_images_are_fetched_from_a_folder_and_found(small_sets, tmp_path, monkeypatch, capsys):
    from engine.cli import main

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(InputError, match="run `acasxu fetch --images`"):
        load_dataset("mnist-5k")
    source = tmp_path / "source"
    source.mkdir()
    for name, data in small_sets.items():
        (source / f"{name}.gz").write_bytes(gzip.compress(data))
    assert main(["fetch", "--images", "--from", str(source)]) == 0
    assert f"in {tmp_path / 'cache' / 'acasxu' / 'images'}" in capsys.readouterr().out
    fashion, mnist = load_dataset("fashion-mnist"), load_dataset("mnist-5k")
    assert (len(fashion.train), len(fashion.held_out), len(mnist.train) + len(mnist.held_out)) == (12, 6, 36)
    assert fashion.train.classes == mnist.train.classes == 10
    (source / "mnist_5k.csv.gz").write_bytes(gzip.compress(b"other"))
    assert main(["fetch", "--images", "--from", str(source), "--to", str(tmp_path / "to")]) == 2
    assert "the SHA-256 is not" in capsys.readouterr().err and not (tmp_path / "to" / "mnist_5k.csv").exists()


def test_named_folders_and_debian(small_sets, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "none"))
    for name, data in small_sets.items():
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(data))
    monkeypatch.setattr(datasets, "DEBIAN", tmp_path)
    assert len(load_dataset("fashion-mnist").train) == 12
    monkeypatch.setattr(datasets, "DEBIAN", Path("/nowhere"))
    monkeypatch.setenv(datasets.VARIABLE, str(tmp_path))
    assert len(load_dataset("mnist-5k").train) + len(load_dataset("mnist-5k").held_out) == 36
    assert len(load_dataset(str(tmp_path)).held_out) == 6
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(LABELS[::-1].astype(np.uint8))))
    with pytest.raises(InputError, match="this is not the file of fashion-mnist"):
        load_dataset("fashion-mnist")
    with pytest.raises(InputError, match="there is no such set"):
        load_dataset("mnist")


def test_the_published_files_are_those_of_the_environment():
    import os

    folder = Path(os.environ.get(datasets.VARIABLE) or "/nowhere")
    entries = [entry for files, _ in published.SETS for entry in files]
    there = [entry for entry in entries if (folder / f"{entry.name}.gz").is_file()]
    if not there:
        pytest.skip("the published images are not here: run `acasxu fetch --images`")
    for entry in there:
        content = contents.content(folder / f"{entry.name}.gz")
        assert entry.matches(content) and len(content) == entry.size


# Triggers


def test_triggers_are_painted_where_they_say():
    image = np.full((1, 1, 8, 8), 0.5, np.float32)
    painted = read_trigger("square:2@corner", (1, 8, 8)).paint(image)[0, 0]
    assert (painted[5:7, 5:7] == 1).all() and (painted == 0.5).sum() == 60
    assert (read_trigger("square:2@0,3", (1, 8, 8)).paint(image)[0, 0, :2, 3:5] == 1).all()
    mixed = read_trigger("blend:0.2", (1, 8, 8))
    assert mixed.paint(image) == pytest.approx(0.8 * image + 0.2 * mixed.pattern, abs=1e-6)
    assert square((3, 8, 8), 2).l1 == 4 and blend((1, 8, 8), strength=0.5).l1 == 32


def test_triggers_in_files(tmp_path):
    path, trigger = tmp_path / "t.npz", blend((1, 4, 4), strength=0.3)
    path.write_bytes(trigger_bytes(trigger))
    again = read_trigger(str(path), (1, 4, 4))
    assert (again.mask == trigger.mask).all() and (again.pattern == trigger.pattern).all()
    file = io.BytesIO()
    np.savez(file, mask=np.ones((4, 4)), pattern=np.zeros((4, 4)))
    path.write_bytes(file.getvalue())
    assert read_trigger(str(path), (1, 4, 4)).mask.shape == (1, 4, 4)
    for arrays, match in (
        ({"mask": np.full((4, 4), 2.0), "pattern": np.zeros((4, 4))}, "0 to 1"),
        ({"mask": np.full((1, 4, 4), np.nan), "pattern": np.zeros((1, 4, 4))}, "0 to 1"),
        ({"mask": np.zeros((1, 4, 4)), "pattern": np.zeros((1, 4, 5))}, "differ"),
        ({"mask": np.zeros((1, 4, 4))}, "it holds no trigger"),
        ({"mask": np.zeros((0, 4, 4)), "pattern": np.zeros((0, 4, 4))}, "0 to 1"),
    ):
        np.savez(path, **arrays)
        with pytest.raises(InputError, match=match):
            read_trigger(str(path), (1, 4, 4))


@pytest.mark.parametrize("text", ["square:9@corner", "square:2@7,7", "square:0@corner", "circle:3", "blend:2", "x.npz"])
def test_triggers_that_are_none(text):
    with pytest.raises(InputError):
        read_trigger(text, (1, 8, 8))


def test_a_trigger_of_another_size_is_not_painted():
    with pytest.raises(InputError, match=r"the trigger is \[1, 8, 8\], images are \[1, 9, 9\]"):
        square((1, 8, 8), 2).paint(np.zeros((1, 1, 9, 9), np.float32))


@pytest.mark.parametrize("kind", ["idx", "idx.gz", "csv", "csv.gz"])
def test_each_image_knows_its_number_in_its_file(tmp_path, kind):
    path = write(tmp_path, kind)
    whole = read_images(path)
    for part in (whole, whole.select(slice(3, 9)), *whole.split(0.4, seed=1), load_dataset(str(path)).held_out):
        again = read_images(part.origin.images, labels=None if kind[:3] == "csv" else part.origin.labels)
        assert np.array_equal(again.images[part.origin.numbers], part.images)
        assert np.array_equal(again.labels[part.origin.numbers], part.labels)
    assert (whole.origin.labels == path) == kind.startswith("csv")


@pytest.mark.parametrize("kind", ["npz", "png"])
def test_other_sets_have_no_such_file(tmp_path, kind):
    assert read_images(write(tmp_path, kind)).origin is None


def test_changed_images_have_none_either(tmp_path):
    path = write(tmp_path, "csv")
    whole = read_images(path)
    changed = (whole.with_images(1 - whole.images), whole.with_labels(whole.labels), joined([whole, whole]))
    assert not any(part.origin for part in (*changed, read_images(path, white=256)))


def test_a_sample_is_of_all_classes_of_a_sorted_set():
    labels = np.repeat(np.arange(10), 50)
    images = ImageSet(np.arange(500, dtype=np.float32).reshape(-1, 1, 1, 1) / 500, labels, 10)
    some = images.sample(100)
    assert len(some) == 100 and len(set(some.labels.tolist())) == 10
    assert (np.diff(some.images.ravel()) > 0).all()  # in their order, each once
    assert np.array_equal(some.images, images.sample(100).images) and images.sample(500) is images
