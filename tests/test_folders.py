"""Folders of images as people have them are read, or it is said in one sentence what was found in them."""

import gzip
import shutil
from pathlib import Path

import numpy as np
import pytest

from synagents import data
from tests.claims import refused
from tests.test_data import IMAGES, LABELS, idx, write_npz

TRAIN, TEST = (IMAGES[:4], LABELS[:4]), (IMAGES[4:], LABELS[4:])


def write(folder: Path, files: dict[str, np.ndarray], code: int = 8) -> Path:
    """Files of these names: NPZ with one array, or IDX, packed where the name says so."""
    for name, array in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".npz":
            write_npz(path, arr_0=array)
        else:
            path.write_bytes(gzip.compress(idx(array, code)) if path.suffix == ".gz" else idx(array, code))
    return folder


def whole(images: str, labels: str, train: str = "train", test: str = "t10k") -> dict[str, np.ndarray]:
    """The four files of a set, whose names hold the part as {}."""
    names = [pattern.format(part) for part in (train, test) for pattern in (images, labels)]
    return dict(zip(names, (*TRAIN, *TEST), strict=True))


def is_whole(got: data.Dataset, name: str) -> bool:
    """Whether all six images were read, the two for testing last."""
    np.testing.assert_array_equal(got.images, IMAGES)
    np.testing.assert_array_equal(got.labels, LABELS)
    return (got.name, got.published_test, got.num_classes) == (name, 2, 3)


LAYOUTS = {
    "the MNIST page": whole("{}-images-idx3-ubyte.gz", "{}-labels-idx1-ubyte.gz"),
    "torchvision": whole("MNIST/raw/{}-images-idx3-ubyte", "MNIST/raw/{}-labels-idx1-ubyte")
    | whole("MNIST/raw/{}-images-idx3-ubyte.gz", "MNIST/raw/{}-labels-idx1-ubyte.gz"),
    "Kaggle": whole("{}-images.idx3-ubyte", "{}-labels.idx1-ubyte"),
    "Kaggle, a folder around each file": whole(
        "{0}-images-idx3-ubyte/{0}-images-idx3-ubyte", "{0}-labels-idx1-ubyte/{0}-labels-idx1-ubyte"
    ),
    "Kaggle, both": whole("{}-images.idx3-ubyte", "{}-labels.idx1-ubyte")
    | whole("{0}-images-idx3-ubyte/{0}-images-idx3-ubyte", "{0}-labels-idx1-ubyte/{0}-labels-idx1-ubyte"),
    "test beside train": whole("{}-images-idx3-ubyte.gz", "{}-labels-idx1-ubyte.gz", test="test"),
    "KMNIST": whole("kmnist-{}-imgs.npz", "kmnist-{}-labels.npz", test="test"),
    "EMNIST": whole(
        "gzip/emnist-letters-{}-images-idx3-ubyte.gz", "gzip/emnist-letters-{}-labels-idx1-ubyte.gz", test="test"
    ),
    "with what macOS leaves": whole("{}-images-idx3-ubyte", "{}-labels-idx1-ubyte")
    | {"._train-images-idx3-ubyte": LABELS, "__MACOSX/train-images-idx3-ubyte": LABELS, ".DS_Store": LABELS},
    "with tables beside": whole("{}-images-idx3-ubyte", "{}-labels-idx1-ubyte") | {"mnist_train.csv": LABELS},
    "capitals": whole("{}-Images-IDX3-ubyte", "{}-Labels-IDX1-ubyte", train="Train", test="Test"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_read_with_its_test_part_last(tmp_path: Path, layout: str) -> None:
    name = {"torchvision": "MNIST", "KMNIST": "kmnist", "EMNIST": "emnist-letters"}.get(layout, "mine")
    assert is_whole(data.load_idx(write(tmp_path / "mine", LAYOUTS[layout])), name)


def test_the_class_is_the_first_of_qmnists_eight_numbers(tmp_path: Path) -> None:
    def eight(labels: np.ndarray) -> np.ndarray:
        return np.stack([labels, *[labels + 9] * 7], axis=1).astype(">i4")

    images = {"qmnist-train-images-idx3-ubyte.gz": TRAIN[0], "qmnist-test-images-idx3-ubyte.gz": TEST[0]}
    write(tmp_path, images)
    labels = {"qmnist-train-labels-idx2-int.gz": eight(TRAIN[1]), "qmnist-test-labels-idx2-int.gz": eight(TEST[1])}
    assert is_whole(data.load_idx(write(tmp_path, labels, code=12)), "qmnist")


ARCHIVES = {
    "keras": {"x_train": TRAIN[0], "y_train": TRAIN[1], "x_test": TEST[0], "y_test": TEST[1]},
    "medmnist": {
        "train_images": TRAIN[0][:3],
        "train_labels": TRAIN[1][:3, None],
        "val_images": TRAIN[0][3:],
        "val_labels": TRAIN[1][3:, None],
        "test_images": TEST[0],
        "test_labels": TEST[1][:, None],
    },
}


@pytest.mark.parametrize("layout", ARCHIVES)
def test_an_archive_is_read_by_its_folder_its_name_and_its_set(tmp_path: Path, layout: str) -> None:
    path = write_npz(tmp_path / "shapes.npz", **ARCHIVES[layout])
    for named in (tmp_path, path, tmp_path / "shapes"):
        assert is_whole(data.load_idx(named), "shapes")


def test_of_an_archive_with_images_and_labels_nothing_is_published_as_a_test(tmp_path: Path) -> None:
    got = data.load_idx(write_npz(tmp_path / "mine.npz", images=IMAGES, labels=LABELS))
    assert (got.name, got.published_test, len(got.labels)) == ("mine", 0, 6)


def test_of_several_sets_one_is_named_as_a_file_in_their_folder_would_be(tmp_path: Path) -> None:
    for split in ("letters", "digits"):
        files = whole(f"emnist-{split}-{{}}-images-idx3-ubyte", f"emnist-{split}-{{}}-labels-idx1-ubyte", test="test")
        write(tmp_path / "EMNIST" / "raw", files)
    said = refused(lambda: data.load_idx(tmp_path), data.DataError)
    for split in ("letters", "digits"):
        there = tmp_path / "EMNIST" / "raw" / f"emnist-{split}"
        assert str(there) in said
        assert is_whole(data.load_idx(there), f"emnist-{split}")
    file = tmp_path / "EMNIST" / "raw" / "emnist-letters-test-labels-idx1-ubyte"
    assert is_whole(data.load_idx(file), "emnist-letters")


def test_colour_images_and_flat_ones_are_images(tmp_path: Path) -> None:
    colour = np.stack([IMAGES] * 3, axis=-1)
    write(tmp_path / "colour", {"images-idx4-ubyte": colour, "labels-idx1-ubyte": LABELS})
    assert data.load_idx(tmp_path / "colour").images.shape == (6, 4, 3, 3)
    write(tmp_path / "flat", {"images-idx2-ubyte": IMAGES.reshape(6, 12), "labels-idx1-ubyte": LABELS})
    assert data.load_idx(tmp_path / "flat").images.shape == (6, 12)


def test_labels_from_1_on_are_classes_from_0_on_in_both_parts_alike(tmp_path: Path) -> None:
    files = whole("{}-images-idx3-ubyte", "{}-labels-idx1-ubyte")
    shifted = {name: array + 1 if "labels" in name else array for name, array in files.items()}
    got = data.load_idx(write(tmp_path, shifted))
    assert (got.labels.tolist(), got.classes) == (LABELS.tolist(), (1, 2, 3))


def test_the_part_to_train_on_decides_the_scale_and_a_dark_test_part_follows(tmp_path: Path) -> None:
    files = whole("{}-images-idx3-ubyte", "{}-labels-idx1-ubyte")
    dark = data.load_idx(write(tmp_path / "dark", files | {"t10k-images-idx3-ubyte": IMAGES[4:] % 2}))
    assert dark.scale == 255
    write(tmp_path / "bright", files | {"train-images-idx3-ubyte": IMAGES[:4] % 2})
    assert "the pixels run to 71" in refused(lambda: data.load_idx(tmp_path / "bright"), data.DataError)
    assert data.load_idx(tmp_path / "bright", scale=71).scale == 71
    few = files | {"train-images-idx3-ubyte": IMAGES[:4] % 15, "t10k-images-idx3-ubyte": IMAGES[4:] % 17}
    assert data.load_idx(write(tmp_path / "few", few)).scale == 16


def test_home_is_home_in_a_folder_and_in_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SYNAGENTS_DATA", "~/mine")
    write(tmp_path / "mine", LAYOUTS["Kaggle"])
    assert is_whole(data.load_idx("~/mine"), "mine")
    assert len(data.load_notmnist().labels) == len(data.load_notmnist("~/mine").labels) == 6
    assert "no such folder" in refused(lambda: data.load_idx("~nobody_of_this_name/mine"), data.DataNotFound)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"emnist-letters-train.csv": LABELS, "notes.txt": LABELS}, "there are emnist-letters-train.csv, notes.txt"),
        ({}, "it is empty"),
        ({"train-labels-idx1-ubyte": LABELS}, "there are train-labels-idx1-ubyte"),
    ],
)
def test_a_folder_without_images_says_what_is_there(tmp_path: Path, files: dict[str, np.ndarray], said: str) -> None:
    (tmp_path / "mine").mkdir()
    assert said in refused(lambda: data.load_idx(write(tmp_path / "mine", files)), data.DataNotFound)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"kmnist-train-imgs.npz": IMAGES}, "as kmnist-train-labels.npz"),
        ({"train-images.idx3-ubyte": IMAGES}, "as train-labels.idx1-ubyte"),
        (
            {f"{part}-{kind}-idx1-ubyte": LABELS for part in ("test", "t10k") for kind in ("images", "labels")},
            "more than one data set",
        ),
        ({"train-images-idx3-ubyte": IMAGES, "train-labels-idx2-ubyte": LABELS.reshape(3, 2)}, "uint8[3, 2]"),
    ],
)
def test_files_that_are_no_data_set_are_named(tmp_path: Path, files: dict[str, np.ndarray], said: str) -> None:
    assert said in refused(lambda: data.load_idx(write(tmp_path, files)), data.DataError)


def test_an_archive_of_other_arrays_says_which_it_holds(tmp_path: Path) -> None:
    path = write_npz(tmp_path / "mine.npz", pixels=IMAGES, y=LABELS)
    for named in (path, tmp_path):
        assert "holds the arrays pixels, y" in refused(lambda named=named: data.load_idx(named), data.DataError)
    path.write_bytes(b"PK\3\4 and then nothing")
    assert str(path) in refused(lambda: data.load_idx(tmp_path), data.DataError)
    two = tmp_path / "train-images.npz"
    shutil.copy(write_npz(tmp_path / "two" / "of.npz", a=IMAGES, b=IMAGES), two)
    write_npz(tmp_path / "train-labels.npz", arr_0=LABELS)
    assert "holds 2 arrays" in refused(lambda: data.load_idx(two), data.DataError)
