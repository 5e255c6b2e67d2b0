import csv
import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from scipy import stats

from synagents.benchmark.statistics import Estimate, difference, student
from synagents.cli.build import preset
from synagents.cli.main import cli
from synagents.report.compare import beyond, compare, differences, plot_comparison, settings_of, table, write_tidy
from synagents.run.config import read_config
from synagents.run.files import Json
from synagents.run.fit import fit
from tests.claims import one_sentence, refused
from tests.runs import SPEC, play


def write_run(directory: Path, config: Json, seed: int, accuracy: Iterable[float], **settings: object) -> Path:
    """The files of a run that ended with these accuracies, one for each of its seeds."""
    config = config | {"seed": seed, "task": "xor", "learner": "trace"}
    config |= {"settings": {"split_seed": seed, **settings}}
    directory.mkdir()
    (directory / "config.json").write_text(json.dumps(config))
    rows = [f"{step},{run},{a - 1 + step / 2:.6g}" for step in (1, 2) for run, a in enumerate(accuracy)]
    (directory / "metrics.csv").write_text("\n".join(["step,run,held_out_accuracy", *rows]) + "\n")
    return directory


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Json:
    directory = tmp_path_factory.mktemp("played")
    play(directory)
    return read_config(directory)


@pytest.fixture
def runs(tmp_path: Path, config: Json) -> list[Path]:
    """Three seeds with a small step, a directory of three seeds with a large one."""
    small = [write_run(tmp_path / f"small-{k}", config, k, [0.5 + 0.01 * k], step_size=0.1) for k in range(3)]
    return [*small, write_run(tmp_path / "large", config, 7, [0.8, 0.81, 0.82], step_size=0.2)]


def test_students_interval_by_hand_and_welchs_beside_scipys() -> None:
    mean, half = student(np.array([1.0, 2, 3]))
    assert mean == 2 and half == pytest.approx(4.302653 / 3**0.5)
    assert np.isnan(student(np.array([[1.0, 2]]))[1]).all()
    ours, theirs = np.array([1.0, 2, 4]), np.array([3.0, 3.5, 5, 9])
    expected = stats.ttest_ind(ours, theirs, equal_var=False).confidence_interval()
    assert difference(ours, theirs)[1:] == pytest.approx((expected.low, expected.high))


def test_one_in_twenty_differences_of_nothing_is_beyond_the_interval_also_with_three_seeds() -> None:
    rng = np.random.default_rng(0)
    found = [difference(*rng.normal(size=(2, 3))) for _ in range(2000)]
    share = np.mean([not each.low <= 0 <= each.high for each in found])
    assert 0.02 < share < 0.06  # Welch's is a little wide with so few


def test_runs_are_put_together_by_setting_and_named_by_what_differs(runs: list[Path]) -> None:
    compared = compare(runs)
    assert [(group.name, len(group.seeds)) for group in compared.groups] == [("step_size 0.1", 3), ("step_size 0.2", 3)]
    assert compared.groups[0].last("held_out_accuracy").tolist() == [0.5, 0.51, 0.52]
    [found] = differences(compared)
    assert found.value == pytest.approx(0.3) and beyond(found) == "higher"
    assert "step_size 0.2" in table(compared) and "higher" in table(compared)


def test_what_goes_along_with_another_learner_is_not_named(config: Json, tmp_path: Path) -> None:
    paths = [
        write_run(tmp_path / name, config, seed, [0.5], **settings)
        for name, seed, settings in (
            ("a", 0, {"step_size": 0.1, "epsilon": 0.5}),
            ("b", 0, {"step_size": 0.2, "epsilon": 0.5}),
            ("c", 0, {"step_size": 0.1, "table": "shipped"}),
        )
    ]
    other = read_config(paths[2]) | {"learner": "team-q"}
    (paths[2] / "config.json").write_text(json.dumps(other))
    assert [group.name for group in compare(paths).groups] == [
        "learner trace, step_size 0.1",
        "learner trace, step_size 0.2",
        "learner team-q, step_size 0.1",
    ]


def test_what_a_difference_says() -> None:
    said = [beyond(Estimate(0, low, high)) for low, high in ((1, 2), (-2, -1), (-1, 1), (np.nan, np.nan))]
    assert said == ["higher", "lower", "within the interval", "unknown: a single seed"]


def test_the_tidy_table_has_one_value_a_row(runs: list[Path], tmp_path: Path) -> None:
    with write_tidy(compare(runs), tmp_path / "all.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 12 and set(rows[0]) == {"setting", "directory", "seed", "run", "step", "metric", "value"}
    last = [row["value"] for row in rows if row["setting"] == "step_size 0.2" and row["step"] == "2"]
    assert last == ["0.8", "0.81", "0.82"]


def test_the_picture_is_written(runs: list[Path], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    assert plot_comparison(compare(runs), tmp_path / "all").read_bytes().startswith(b"\x89PNG")


def test_a_seed_is_no_setting_and_nor_is_the_split_that_follows_it(tmp_path: Path) -> None:
    for seed in (0, 1):
        fit(preset("xor", "trace", seed=seed, rounds=2), tmp_path / str(seed), tell=lambda line: None)
    zero, one = (settings_of(read_config(tmp_path / str(seed))) for seed in (0, 1))
    assert zero == one and zero["learner"] == "trace"
    assert [group.name for group in compare([tmp_path / "0", tmp_path / "1"]).groups] == ["xor trace"]


def test_runs_begun_from_objects_are_grouped_by_what_they_are_made_of(tmp_path: Path) -> None:
    play(tmp_path / "a", replace(SPEC, seed=1))
    play(tmp_path / "b", replace(SPEC, seed=2))
    play(tmp_path / "c", replace(SPEC, world=replace(SPEC.world, step_size=0.1)))
    names = [group.name for group in compare([tmp_path / name for name in "abc"]).groups]
    assert names == ["world.step_size 0.05", "world.step_size 0.1"]


def test_what_cannot_be_compared_is_refused_in_a_sentence(runs: list[Path], tmp_path: Path) -> None:
    assert "small-0" in refused(lambda: compare([runs[0], runs[0]]))
    assert "held_out_accuracy" in refused(lambda: compare(runs, "held_out_acuracy"))
    refused(lambda: compare([]))
    (runs[0] / "metrics.csv").unlink()
    assert "no rows" in refused(lambda: compare(runs))
    with pytest.raises(FileNotFoundError) as missing:
        compare([tmp_path])
    assert one_sentence(str(missing.value))


def test_the_command_prints_the_table_and_names_the_files(runs: list[Path], tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["compare", *map(str, runs), "--csv", str(tmp_path / "all")])
    assert done.exit_code == 0 and table(compare(runs)) in done.output
    assert str(tmp_path / "all.csv") in done.output and (tmp_path / "all.csv").is_file()
