"""A data file is an array or one clear sentence, never a surprise."""

import gzip
import hashlib
import http.server
import io
import struct
import threading
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import sklearn.datasets
from hypothesis import example, given, settings
from hypothesis import strategies as st

from synagents import data
from synagents.data.known import NOTMNIST_FILES
from tests import claims

IMAGES = np.arange(6 * 4 * 3, dtype=np.uint8).reshape(6, 4, 3)
LABELS = np.array([0, 1, 2, 0, 1, 2], np.uint8)


def idx(array: np.ndarray, code: int = 8) -> bytes:
    return bytes([0, 0, code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def write_pair(folder: Path, part: str, images: np.ndarray, labels: np.ndarray, packed: bool = True) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
        body = gzip.compress(idx(array)) if packed else idx(array)
        (folder / f"{part}-{kind}-ubyte{'.gz' if packed else ''}").write_bytes(body)


def write_npz(path: Path, **arrays: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]
    return path


def one_sentence(error: pytest.ExceptionInfo[Exception]) -> str:
    return claims.one_sentence(str(error.value))


def told(path: Path, body: bytes) -> str:
    path.write_bytes(body)
    with pytest.raises(data.DataError) as error:
        data.read_idx(path)
    assert str(path) in str(error.value)
    return one_sentence(error)


# The bundled digits


def test_the_bundled_digits_are_those_of_scikit_learn() -> None:
    ours, theirs = data.load_digits(), sklearn.datasets.load_digits()
    sha256 = hashlib.sha256
    assert sha256(ours.images.tobytes()).digest() == sha256(theirs.images.astype(np.uint8).tobytes()).digest()
    np.testing.assert_array_equal(ours.images, theirs.images)
    np.testing.assert_array_equal(ours.labels, theirs.target)


def test_the_digits_are_1797_images_of_8_by_8_pixels_up_to_16() -> None:
    digits = data.load_digits()
    assert (digits.images.shape, digits.images.dtype, digits.images.max()) == ((1797, 8, 8), np.uint8, 16)
    assert (digits.labels.dtype, digits.name, digits.scale) == (np.int32, "digits", 16.0)
    assert (digits.num_classes, digits.published_test) == (10, 0)


# Arrays of the user


@pytest.mark.parametrize(
    ("images", "dtype", "scale"),
    [
        (IMAGES, np.uint8, 255.0),
        (IMAGES.astype(np.int64), np.uint8, 255.0),
        (IMAGES > 40, np.float32, 1.0),
        (IMAGES / 255, np.float32, 1.0),
        (IMAGES.astype(np.float64), np.float32, 255.0),
        (IMAGES % 2, np.uint8, 1.0),
        (IMAGES % 4, np.uint8, 3.0),
        (IMAGES % 17, np.uint8, 16.0),
        (IMAGES % 17 * 1.0, np.float32, 16.0),
        (IMAGES % 18, np.uint8, 255.0),
        (IMAGES // 100, np.uint8, 1.0),
    ],
)
def test_the_scale_follows_the_largest_pixel(images: np.ndarray, dtype: type, scale: float) -> None:
    made = data.from_arrays("mine", images, LABELS)
    assert (made.images.dtype, made.scale, made.num_classes) == (dtype, scale, 3)
    assert 0 <= made.images.min() and made.images.max() <= made.scale


def test_one_dark_image_among_others_changes_no_scale() -> None:
    images = np.concatenate([IMAGES[:5] % 2, IMAGES[5:]])  # five of six are nearly black
    assert data.from_arrays("mine", images, LABELS).scale == 255


def test_a_scale_that_is_given_is_taken_and_lifts_the_bounds() -> None:
    assert data.from_arrays("mine", IMAGES % 2, LABELS, scale=255).scale == 255
    deep = data.from_arrays("mine", IMAGES.astype(np.uint16) * 900, LABELS, scale=65535)
    assert deep.images.dtype == np.float32 and deep.images.max() == 71 * 900
    assert data.from_arrays("mine", IMAGES - 36.0, LABELS, scale=36).images.min() == -36
    for scale in (0, -1, np.nan, np.inf, "255"):
        with pytest.raises(ValueError, match="a number > 0") as error:
            data.from_arrays("mine", IMAGES, LABELS, scale=scale)  # type: ignore[arg-type]
        one_sentence(error)


@pytest.mark.parametrize(
    ("labels", "classes"),
    [(LABELS + 1, (1, 2, 3)), (LABELS * 2, (0, 2, 4)), (np.array(list("bcabca")), ("a", "b", "c"))],
)
def test_labels_become_classes_from_0_on(labels: np.ndarray, classes: tuple[int | str, ...]) -> None:
    made = data.from_arrays("mine", IMAGES, labels)
    assert (made.classes, made.num_classes) == (classes, 3)
    assert [classes[label] for label in made.labels] == labels.tolist()


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        (IMAGES, LABELS[:5]),
        (IMAGES[:0], LABELS[:0]),
        (IMAGES[:, :0], LABELS),
        (LABELS, LABELS),
        (IMAGES.astype(complex), LABELS),
        (IMAGES - 1.0, LABELS),
        (IMAGES * 4.0, LABELS),
        (IMAGES * np.nan, LABELS),
        (np.where(IMAGES == 5, np.inf, IMAGES), LABELS),
        (IMAGES, LABELS.astype(float)),
        (IMAGES, LABELS.reshape(2, 3)),
        (IMAGES, LABELS.astype(int) - 1),
        (IMAGES, LABELS.astype(np.uint64) + 2**63),
    ],
)
def test_arrays_that_cannot_be_a_data_set_are_told_in_one_sentence(images: np.ndarray, labels: np.ndarray) -> None:
    with pytest.raises(data.DataError, match=r"^mine: ") as error:
        data.from_arrays("mine", images, labels)
    one_sentence(error)


def test_the_checksum_is_over_image_bytes_then_label_bytes() -> None:
    expected = hashlib.sha256(IMAGES.tobytes() + LABELS.astype("<i4").tobytes()).hexdigest()
    assert data.from_arrays("mine", IMAGES, LABELS).checksum == expected
    assert data.from_arrays("mine", IMAGES, LABELS[::-1]).checksum != expected


# IDX files


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize(("code", "kind"), [(8, "u1"), (9, "i1"), (11, "i2"), (12, "i4"), (13, "f4"), (14, "f8")])
def test_every_documented_idx_type_is_read(
    tmp_path: Path, code: int, kind: str, pack: Callable[[bytes], bytes]
) -> None:
    values = np.array([[1, 2, 3], [-4, 5, 100]]).astype(kind)
    (tmp_path / "file").write_bytes(pack(idx(values.astype(">" + kind), code)))
    got = data.read_idx(tmp_path / "file")
    assert got.dtype == values.dtype
    np.testing.assert_array_equal(got, values)


def test_a_truncated_gzip_is_told_in_one_sentence(tmp_path: Path) -> None:
    whole = gzip.compress(idx(IMAGES))
    for length in range(1, len(whole)):
        told(tmp_path / "cut.gz", whole[:length])


def test_a_truncated_plain_file_is_told_in_one_sentence(tmp_path: Path) -> None:
    for length in range(len(idx(IMAGES))):
        told(tmp_path / "cut", idx(IMAGES)[:length])


def test_a_file_that_is_not_gzip_is_told_in_one_sentence(tmp_path: Path) -> None:
    assert "does not begin as an IDX file does" in told(tmp_path / "page.gz", b"<html>404: Not Found</html>")


def test_an_empty_file_is_told_in_one_sentence(tmp_path: Path) -> None:
    told(tmp_path / "empty.gz", b"")


def test_trailing_bytes_are_told_in_one_sentence(tmp_path: Path) -> None:
    assert "promises 72 bytes and holds more" in told(tmp_path / "long", idx(IMAGES) + b"x")
    assert "promises 72 bytes and holds more" in told(tmp_path / "long.gz", gzip.compress(idx(IMAGES) + b"x"))
    told(tmp_path / "junk.gz", gzip.compress(idx(IMAGES)) + b"junk")


def test_a_flipped_bit_in_gzip_is_caught_by_its_own_sum(tmp_path: Path) -> None:
    body = bytearray(gzip.compress(idx(IMAGES)))
    body[-8] ^= 1
    told(tmp_path / "flipped.gz", bytes(body))


def test_an_unknown_type_and_impossible_axes_are_told_in_one_sentence(tmp_path: Path) -> None:
    told(tmp_path / "type", b"\0\0\x0a\x01" + struct.pack(">I", 1) + b"x")
    told(tmp_path / "none", b"\0\0\x08\x00x")
    told(tmp_path / "many", b"\0\0\x08\xff" + struct.pack(">255I", *[1] * 255) + b"x")
    told(tmp_path / "zero", idx(IMAGES[:0]))


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_header_that_promises_a_terabyte_allocates_nothing(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    tracemalloc.start()
    try:
        told(tmp_path / "huge", pack(b"\0\0\x08\x02" + struct.pack(">2I", 2**20, 2**20) + b"x"))
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_a_gzip_bomb_is_read_no_further_than_it_promises(tmp_path: Path) -> None:
    bomb = gzip.compress(idx(LABELS) + bytes(2**26))
    tracemalloc.start()
    try:
        told(tmp_path / "bomb.gz", bomb)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


headers = st.builds(
    lambda code, sizes: bytes([0, 0, code, len(sizes)]) + struct.pack(f">{len(sizes)}I", *sizes),
    st.sampled_from([7, 8, 9, 11, 12, 13, 14]),
    st.lists(st.integers(0, 6) | st.integers(0, 2**32 - 1), max_size=70),
)
plain = st.binary(max_size=200) | st.builds(bytes.__add__, headers, st.binary(max_size=200))
cut = st.builds(lambda body, end, tail: gzip.compress(body)[:end] + tail, plain, st.integers(0, 300), st.binary())


@settings(max_examples=400, deadline=None)
@given(body=plain | cut | plain.map(gzip.compress))
@example(body=idx(IMAGES))
def test_any_bytes_are_an_array_or_one_sentence(body: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzzed"
    path.write_bytes(body)
    tracemalloc.start()
    try:
        got = data.read_idx(path)
        assert 0 < got.nbytes <= 1032 * len(body)
    except data.DataError as error:
        assert str(path) in str(error) and "\n" not in str(error)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 3 * 1032 * len(body) + 2**18


def test_a_lone_pair_is_all_the_data(tmp_path: Path) -> None:
    write_pair(tmp_path / "letters", "t10k", IMAGES, LABELS)
    got = data.load_idx(tmp_path / "letters")
    np.testing.assert_array_equal(got.images, IMAGES)
    np.testing.assert_array_equal(got.labels, LABELS)
    assert (got.name, got.scale, got.published_test, got.num_classes) == ("letters", 255.0, 0, 3)


@pytest.mark.parametrize("packed", [True, False])
def test_a_published_test_part_comes_last_and_is_counted(tmp_path: Path, packed: bool) -> None:
    write_pair(tmp_path, "t10k", IMAGES[4:], LABELS[4:], packed)
    write_pair(tmp_path, "train", IMAGES[:4], LABELS[:4], packed)
    got = data.load_idx(tmp_path)
    np.testing.assert_array_equal(got.images, IMAGES)
    np.testing.assert_array_equal(got.labels, LABELS)
    assert got.published_test == 2


def test_folders_that_are_not_one_data_set_are_told_in_one_sentence(tmp_path: Path) -> None:
    write_pair(tmp_path / "two", "train", IMAGES, LABELS)
    write_pair(tmp_path / "two", "other", IMAGES, LABELS)
    write_pair(tmp_path / "mixed", "train", IMAGES, LABELS)
    write_pair(tmp_path / "mixed", "t10k", IMAGES[:, :2], LABELS)
    write_pair(tmp_path / "uneven", "train", IMAGES, LABELS[:5])
    write_pair(tmp_path / "unlabelled", "train", IMAGES, LABELS)
    (tmp_path / "unlabelled" / "train-labels-idx1-ubyte.gz").unlink()
    for folder in ("two", "mixed", "uneven", "unlabelled"):
        with pytest.raises(data.DataError, match=folder) as error:
            data.load_idx(tmp_path / folder)
        one_sentence(error)


def test_a_folder_without_idx_files_is_data_not_found(tmp_path: Path) -> None:
    with pytest.raises(data.DataNotFound) as error:
        data.load_idx(tmp_path / "nowhere")
    assert str(tmp_path / "nowhere") in one_sentence(error)


# notMNIST


def test_the_real_notmnist_is_ten_thousand_letters_a_thousand_of_each(notmnist_folder: Path) -> None:
    got = data.load_notmnist(notmnist_folder)
    assert (got.images.shape, got.images.dtype, got.scale) == ((10_000, 28, 28), np.uint8, 255.0)
    assert np.bincount(got.labels).tolist() == [1000] * 10
    assert (got.name, got.published_test) == ("notmnist", 0)
    assert got.checksum == "2389256c55348358a24e78a3479b1cb67a70f89cca6ed6a50de304d440212816"


@pytest.mark.parametrize("labels", [LABELS, np.array(list("ABCABC")), np.array(list("ABCABC"), "S1")])
def test_an_npz_may_label_by_number_or_by_letter(tmp_path: Path, labels: np.ndarray) -> None:
    write_npz(tmp_path / "notMNIST.npz", images=IMAGES, labels=labels)
    got = data.load_notmnist(tmp_path)
    np.testing.assert_array_equal(got.images, IMAGES)
    np.testing.assert_array_equal(got.labels, LABELS)
    assert (got.name, got.scale) == ("notmnist", 255.0)


@pytest.mark.parametrize(
    "arrays",
    [
        {"images": IMAGES, "labels": np.array(list("ABCABK"))},
        {"images": IMAGES, "labels": np.array(["A", "B", "C", "A", "B", "CC"])},
        {"images": IMAGES, "labels": LABELS.astype(object)},
        {"images": IMAGES.astype(object), "labels": LABELS},
        {"images": IMAGES},
        {"labels": LABELS},
        {"images": IMAGES, "labels": LABELS[:3]},
    ],
)
def test_an_npz_of_other_content_is_told_in_one_sentence(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    path = write_npz(tmp_path / "notMNIST.npz", **arrays)
    with pytest.raises(data.DataError) as error:
        data.load_notmnist(tmp_path)
    assert str(path) in one_sentence(error)


def test_a_truncated_npz_is_told_in_one_sentence(tmp_path: Path) -> None:
    path = write_npz(tmp_path / "notMNIST.npz", images=IMAGES, labels=LABELS)
    whole = path.read_bytes()
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(data.DataError) as error:
            data.load_notmnist(tmp_path)
        assert str(path) in one_sentence(error)


def test_an_npz_with_any_byte_changed_is_the_same_data_or_one_sentence(tmp_path: Path) -> None:
    path = write_npz(tmp_path / "notMNIST.npz", images=IMAGES, labels=LABELS)
    whole, checksum = path.read_bytes(), data.load_notmnist(tmp_path).checksum
    for position in range(len(whole)):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0x55]) + whole[position + 1 :])
        try:
            assert data.load_notmnist(tmp_path).checksum == checksum
        except data.DataError as error:
            assert str(path) in str(error)


def test_an_npy_that_promises_a_terabyte_is_told_in_one_sentence(tmp_path: Path) -> None:
    header = io.BytesIO()
    promise = {"descr": "|u1", "fortran_order": False, "shape": (2**20, 2**10, 2**10)}
    np.lib.format.write_array_header_1_0(header, promise)
    path = write_npz(tmp_path / "notMNIST.npz", labels=LABELS)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("images.npy", header.getvalue())
    with pytest.raises(data.DataError) as error:
        data.load_notmnist(tmp_path)
    one_sentence(error)


def test_a_named_folder_is_searched_alone_and_its_notmnist_folder_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pair(tmp_path / "elsewhere", "t10k", IMAGES, LABELS)
    monkeypatch.setenv("SYNAGENTS_DATA", str(tmp_path / "elsewhere"))
    with pytest.raises(data.DataNotFound):
        data.load_notmnist(tmp_path)
    write_pair(tmp_path, "t10k", IMAGES[:2], LABELS[:2])
    assert len(data.load_notmnist(tmp_path).labels) == 2
    write_pair(tmp_path / "notmnist", "t10k", IMAGES[:3], LABELS[:3])
    assert len(data.load_notmnist(tmp_path).labels) == 3


def test_without_a_folder_the_environment_comes_before_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNAGENTS_DATA", str(tmp_path / "named"))
    monkeypatch.setattr("pooch.os_cache", lambda project: tmp_path / "cache" / project)
    with pytest.raises(data.DataNotFound, match="synagents download notmnist") as error:
        data.load_notmnist()
    for place in ("named/notmnist", "named", "cache/synagents/notmnist", "cache/synagents"):
        assert str(tmp_path / place) in one_sentence(error)
    write_pair(tmp_path / "cache" / "synagents" / "notmnist", "t10k", IMAGES[:2], LABELS[:2])
    assert len(data.load_notmnist().labels) == 2
    write_pair(tmp_path / "named", "t10k", IMAGES[:3], LABELS[:3])
    assert len(data.load_notmnist().labels) == 3


# Downloads


class Shelf(http.server.BaseHTTPRequestHandler):
    """Serves the two files of a small notMNIST; under /broken/ it promises more than it sends."""

    def do_GET(self) -> None:
        body = SHELF.get(self.path.rpartition("/")[2])
        if body is None or self.path.startswith("/gone/"):
            return self.send_error(404)
        broken = self.path.startswith("/broken/")
        self.send_response(200)
        self.send_header("Content-Length", str(len(body) + 100 * broken))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


SHELF = {
    "t10k-images-idx3-ubyte.gz": gzip.compress(idx(IMAGES), mtime=0),
    "t10k-labels-idx1-ubyte.gz": gzip.compress(idx(LABELS), mtime=0),
}


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Shelf) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def small_files_are_published(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, body in SHELF.items():
        monkeypatch.setitem(NOTMNIST_FILES, name, (hashlib.sha256(body).hexdigest(), "http://unused.invalid/"))


@pytest.mark.usefixtures("small_files_are_published")
def test_a_download_lands_where_the_loader_looks(
    tmp_path: Path, mirror: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("SYNAGENTS_DATA", raising=False)
    monkeypatch.setattr("pooch.os_cache", lambda project: tmp_path / project)
    assert data.download("notmnist", url=mirror) == tmp_path / "synagents" / "notmnist"
    np.testing.assert_array_equal(data.load_notmnist().images, IMAGES)
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("small_files_are_published")
def test_files_already_there_and_whole_are_not_fetched_again(tmp_path: Path, mirror: str) -> None:
    data.download("notmnist", tmp_path, mirror + "/")
    assert data.download("notmnist", tmp_path, mirror + "/gone") == tmp_path
    (tmp_path / "t10k-labels-idx1-ubyte.gz").write_bytes(b"damaged")
    data.download("notmnist", tmp_path, mirror)
    assert len(data.load_notmnist(tmp_path).labels) == 6


def test_a_wrong_checksum_leaves_no_file(tmp_path: Path, mirror: str) -> None:
    with pytest.raises(data.DataError, match="does not match the known hash") as error:
        data.download("notmnist", tmp_path, mirror)
    assert "--data" in one_sentence(error)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("small_files_are_published")
@pytest.mark.parametrize("fault", ["gone", "broken"])
def test_a_failed_download_is_one_sentence_and_leaves_no_file(tmp_path: Path, mirror: str, fault: str) -> None:
    with pytest.raises(data.DataError) as error:
        data.download("notmnist", tmp_path, f"{mirror}/{fault}")
    assert f"/{fault}/t10k-images" in one_sentence(error)
    assert list(tmp_path.iterdir()) == []
    if (response := getattr(error.value.__cause__, "response", None)) is not None:
        response.close()  # pooch leaves the socket of a refused request to the garbage collector, which warns


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"'mnist'.*notmnist"):
        data.download("mnist")


# Splits


@settings(deadline=None)
@given(
    labels=st.lists(st.integers(0, 4), min_size=8, max_size=60),
    held_out=st.floats(0.1, 0.9),
    seed=st.integers(0, 2**32 - 1),
)
def test_each_class_gives_its_share_to_within_one_sample(labels: list[int], held_out: float, seed: int) -> None:
    train, held = data.split(labels, held_out=held_out, seed=seed)
    assert sorted([*train, *held]) == list(range(len(labels)))
    whole, part = np.bincount(labels, minlength=5), np.bincount(np.array(labels)[held], minlength=5)
    assert (np.abs(part - whole * held_out) <= 1 + 1e-9).all()
    assert abs(len(held) - len(labels) * held_out) <= 0.5 + 1e-9


def test_a_quarter_of_a_thousand_of_each_is_250_of_each() -> None:
    labels = np.repeat(np.arange(10), 1000)
    train, held = data.split(labels)
    assert np.bincount(labels[train]).tolist() == [750] * 10
    assert np.bincount(labels[held]).tolist() == [250] * 10


def test_the_seed_decides_the_split() -> None:
    labels = np.arange(100) % 10
    same, again, other = (data.split(labels, seed=seed)[1].tolist() for seed in (3, 3, 4))
    assert same == again != other


def test_the_published_split_is_kept_whatever_the_seed() -> None:
    for seed in (0, 1):
        train, held = data.split(LABELS, held_out=0.5, seed=seed, published_test=2)
        assert (train.tolist(), held.tolist()) == ([0, 1, 2, 3], [4, 5])


@pytest.mark.parametrize("held_out", [0.0, 1.0, -0.1, 1.5, float("nan"), 0.01, 0.99])
def test_a_share_that_leaves_a_part_empty_is_refused(held_out: float) -> None:
    with pytest.raises(ValueError, match=r"held_out|held out"):
        data.split(LABELS, held_out=held_out)


@pytest.mark.parametrize("seed", [-1, 2**32, 0.5, "0"])
def test_a_seed_of_the_split_out_of_range_is_refused(seed: int) -> None:
    with pytest.raises(ValueError, match=r"in 0 .. 2\^32 - 1") as error:
        data.split(LABELS, seed=seed)
    one_sentence(error)


@pytest.mark.parametrize("published_test", [6, 7, -1])
def test_a_published_part_of_everything_or_less_than_nothing_is_refused(published_test: int) -> None:
    with pytest.raises(ValueError, match="held out"):
        data.split(LABELS, published_test=published_test)
