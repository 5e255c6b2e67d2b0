from pathlib import Path

import numpy as np
import pytest

from synagents.data import DataError, DataNotFound
from synagents.data.series import load_series, read_ts
from synagents.tasks.series import japanese_vowels, series
from tests.claims import refused, same_bits

HEAD = "#spoken\n@problemName Tiny\n@timeStamps false\n@dimensions 2\n@classLabel true a b\n@data\n"


def write_ts(folder: Path, name: str, samples: int, *, seed: int = 0) -> None:
    """A data set of two channels and two classes; of 2 .. 5 steps; class b has more of channel 0."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    for part in ("TRAIN", "TEST"):
        lines = []
        for index in range(samples):
            values = rng.normal([[2 * (index % 2)], [0]], 1, (2, rng.integers(2, 6)))
            lines.append(":".join(",".join(f"{v:.4f}" for v in channel) for channel in values) + ":" + "ab"[index % 2])
        (folder / f"{name}_{part}.ts").write_text(HEAD + "\n".join(lines) + "\n")


def write_lines(path: Path, *lines: str, head: str = HEAD) -> Path:
    path.write_text(head + "\n".join(lines) + "\n")
    return path


def test_a_line_is_channels_between_colons_and_its_class_last(tmp_path: Path) -> None:
    got = read_ts(write_lines(tmp_path / "x.ts", "1,2,3:-1,-2,-3:a", "", "5:6:b"))
    assert got.labels == ["a", "b"] and got.classes == ("a", "b")
    assert got.values[0].tolist() == [[1, -1], [2, -2], [3, -3]] and got.values[1].tolist() == [[5, 6]]


def test_a_channel_is_two_rows_by_sign_in_standard_deviations_of_the_training_part_and_all_end_together(
    tmp_path: Path,
) -> None:
    write_lines(
        tmp_path / "Tiny_TRAIN.ts", "0,4:1,1:a", "2:1:b"
    )  # channel 0: mean 2, deviation sqrt(8/3); 1 is constant
    write_lines(tmp_path / "Tiny_TEST.ts", "2,2,4:1,1,1:b")
    task = series(data=tmp_path, batch_size=2)
    far = 2 / np.sqrt(8 / 3)
    assert task.in_shape == (3, 4) and task.out_size == 2
    expected = [[[0, 0, 0, 0], [0, 0, far, 0], [far, 0, 0, 0]], np.zeros((3, 4))]
    np.testing.assert_allclose(task.x, np.array(expected, np.float32), atol=1e-6)
    np.testing.assert_allclose(task.held_out_x[0, :, 0], [0, 0, far], atol=1e-6)
    assert task.target.tolist() == [0, 1] and task.held_out_target.tolist() == [1]


def test_a_data_set_is_found_by_name_in_its_folder_and_in_the_folder_above(tmp_path: Path) -> None:
    write_ts(tmp_path / "JapaneseVowels", "JapaneseVowels", 20)
    write_ts(tmp_path / "JapaneseVowels" / "other", "Other", 20)
    task = japanese_vowels(data=tmp_path, batch_size=20)
    assert same_bits(task.x, japanese_vowels(data=tmp_path / "JapaneseVowels", batch_size=20).x)
    assert load_series(tmp_path / "JapaneseVowels" / "other")[0] == "Other"
    assert dict(task.description)["held_out_samples"] == 20 and len(dict(task.description)["checksum"]) == 64


def test_files_that_are_not_there_or_are_several_are_told_in_a_sentence(tmp_path: Path) -> None:
    assert "_TRAIN.ts" in refused(lambda: series(data=tmp_path), DataNotFound)
    assert "JapaneseVowels_TRAIN.ts" in refused(lambda: japanese_vowels(data=tmp_path), DataNotFound)
    assert "--data DIR" in refused(lambda: series())
    for name in ("One", "Two"):
        write_ts(tmp_path, name, 4)
    assert "One, Two" in refused(lambda: series(data=tmp_path), DataError)
    (tmp_path / "One_TEST.ts").unlink()
    (tmp_path / "Two_TRAIN.ts").unlink()
    assert "One_TEST.ts" in refused(lambda: series(data=tmp_path), DataNotFound)


@pytest.mark.parametrize(
    "line", ["1,2:3:a", "1,?:2,3:a", "1,nan:2,3:a", "1,2:3,4:c", "1,2:3,4:5,6:a", "a", "1;2:3;4:b"]
)
def test_a_line_that_is_not_as_the_format_asks_is_named(tmp_path: Path, line: str) -> None:
    path = write_lines(tmp_path / "x.ts", "1,2:3,4:a", line)
    assert "x.ts" in (said := refused(lambda: read_ts(path), DataError)) and "8 of" in said


@pytest.mark.parametrize(
    "head", [HEAD.replace("@timeStamps false", "@timeStamps true"), HEAD.replace("true a b", "false"), "@data\n", ""]
)
def test_a_file_without_classes_or_with_time_stamps_is_refused(tmp_path: Path, head: str) -> None:
    refused(lambda: read_ts(write_lines(tmp_path / "x.ts", "1:2:a", head=head)), DataError)


def test_a_file_without_sequences_or_of_bytes_is_refused_and_so_are_parts_that_do_not_fit(tmp_path: Path) -> None:
    assert "no sequences" in refused(lambda: read_ts(write_lines(tmp_path / "x.ts")), DataError)
    (tmp_path / "y.ts").write_bytes(b"\x1f\x8b\xff")
    assert "not text" in refused(lambda: read_ts(tmp_path / "y.ts"), DataError)
    write_ts(tmp_path / "two", "Tiny", 4)
    write_lines(tmp_path / "two" / "Tiny_TEST.ts", "1,2:a")
    assert "differ" in refused(lambda: series(data=tmp_path / "two"), DataError)
