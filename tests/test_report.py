import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from synagents import preset
from synagents.report.page import page_of, write_report
from tests.browser import browsed, use
from tests.claims import one_sentence
from tests.runs import CROWD, SPEC, play

USE = """
const seen = () => [...document.querySelectorAll("canvas[data-layer]")].map((c) => c.toDataURL()).join();
said.drawn = document.querySelectorAll(".uplot").length;
said.wide = document.documentElement.scrollWidth;
const last = seen(), slider = document.getElementById("agents-time");
slider.value = 0;
slider.dispatchEvent(new Event("input"));
said.slid = last !== seen();
const weights = seen(), kind = document.getElementById("agents-kind");
kind.value = "last actions";
kind.dispatchEvent(new Event("change"));
said.acted = weights !== seen();
const rows = () => [...document.querySelectorAll("tbody")].map((body) => body.textContent).join(), order = rows();
document.querySelector("th button").click();
document.querySelector("th button").click();
said.sorted = order !== rows();
const chosen = document.getElementById("run"), before = document.getElementById("cards").textContent;
chosen.value = 1;
chosen.dispatchEvent(new Event("change"));
said.changed = before !== document.getElementById("cards").textContent;
const log = document.querySelector("input[type=checkbox]");
log.click();
said.logged = log.checked;
"""
HIDE = """
const plots = Object.values(state.plots).filter(({ lines }) => lines.some((line) => line.run !== undefined));
const bits = (run) => plots.flatMap(({ plot, lines }) => lines.flatMap((line, i) =>
  (line.run === run ? [1, 2, 3].map((part) => plot.series[3 * i + part].show) : [])));
const all = (run, yes) => bits(run).length > 0 && bits(run).every((show) => show === yes);
const drawn = () => plots.map(({ plot }) => plot.ctx.canvas.toDataURL()).join();
const box = () => document.querySelector('input[data-hides="run 0"]');
const names = () => [...document.querySelectorAll('th[role="button"]')];
const pressed = () => names()[0].getAttribute("aria-pressed");
await null;
const first = drawn();
said.began = all(0, true) && all(1, true) && box().checked && pressed() === "true";
names()[0].click();
await null;
said.legend = all(0, false) && all(1, true) && !box().checked && pressed() === "false" && drawn() !== first;
show();
said.kept = pressed() === "false";
box().click();
said.table = !state.hidden.size;
const asks = (one) => one.textContent.startsWith("What do the agents choose?");
const choices = [...document.querySelectorAll("section")].find(asks);
choices.querySelectorAll('th[role="button"]')[1].click();
said.alone = [...state.hidden].join() === "What do the agents choose?: leave";
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("runs")
    play(folder / "one")
    play(folder / "crowd", CROWD)
    return [folder / "one", folder / "crowd"]


def data_of(page: str) -> dict:  # type: ignore[type-arg]
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    assert found
    return json.loads(found[1])  # type: ignore[no-any-return]


def test_a_report_is_one_file_in_the_first_directory_that_asks_for_nothing(runs: list[Path]) -> None:
    file = write_report(runs)
    page = file.read_text()
    assert file == runs[0] / "report.html" and file.stat().st_size < 3_000_000
    assert not re.search(r"""(src|href)=["'](?!data:)|url\(|fetch\(|XMLHttpRequest|@import""", page)
    assert "MIT License" in page and "synagents report" in page


def test_curves_are_means_over_seeds_between_the_lowest_and_the_highest(runs: list[Path]) -> None:
    loss = data_of(page_of(runs, ""))["panels"][0]
    band = next(line for line in loss["lines"] if line["label"] == "crowd: batch in use")
    rows = np.genfromtxt(runs[1] / "metrics.csv", delimiter=",", names=True)
    seeds = np.array([rows["loss"][rows["run"] == k] for k in (0, 1)])
    np.testing.assert_allclose(band["mean"], seeds.mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose([band["low"], band["high"]], [seeds.min(axis=0), seeds.max(axis=0)], rtol=1e-4)


def test_visits_of_the_policy_table_are_shares_of_all_agents(runs: list[Path]) -> None:
    policy = data_of(page_of(runs[:1], ""))["runs"][0]["policy"]
    assert sum(row["visited"] for row in policy["rows"]) == pytest.approx(100, abs=0.01)
    assert policy["rows"][0]["name"] == "did down, down; reward -, -" and len(policy["rows"]) == 81


def test_a_run_that_recorded_nothing_has_the_report_of_what_is_there(tmp_path: Path) -> None:
    play(tmp_path, replace(SPEC, record="none"))
    run = data_of(page_of([tmp_path], ""))["runs"][0]
    assert (run["layers"], run["policy"], run["change"]) == ([], None, None) and run["numbers"]


def test_text_of_a_run_cannot_end_the_script_that_holds_it(tmp_path: Path) -> None:
    play(tmp_path, replace(SPEC, about={"task": "</script><script>alert(1)</script>@DATA@", "learner": "x"}))
    assert "alert(1)</script>" not in page_of([tmp_path], "</code>@DATA@")


def test_a_directory_without_a_run_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as refused:
        write_report([tmp_path])
    assert one_sentence(str(refused.value))
    assert not list(tmp_path.iterdir())


@browsed
@pytest.mark.parametrize("width", [390, 1440])
def test_chromium_draws_it_without_complaint_and_slider_and_selector_change_it(
    runs: list[Path], width: int, tmp_path: Path
) -> None:
    said = use(page_of(runs, ""), USE, width, tmp_path)
    assert said.pop("drawn") >= 4 and said.pop("wide") <= width
    assert said == {"slid": True, "acted": True, "sorted": True, "changed": True, "logged": True}


@browsed
def test_a_run_is_hidden_by_its_name_in_a_legend_and_by_its_mark_in_the_table(runs: list[Path], tmp_path: Path) -> None:
    said = use(page_of(runs, ""), HIDE, 1440, tmp_path)
    assert said == {"began": True, "legend": True, "kept": True, "table": True, "alone": True}


FOUR = """
const places = [...document.querySelectorAll("#in-short a")].map((link) => [link, document.querySelector(link.hash)]);
const verdict = (card) => card.querySelector(".verdict").textContent;
const fits = (card) => card.getBoundingClientRect().right <= innerWidth && card.scrollWidth <= card.clientWidth;
said.asked = places.map(([link]) => link.textContent);
said.answered = places.every(([link, card]) => link.parentElement.textContent.endsWith(` ${verdict(card)}`));
said.readable = places.every(([, card]) => fits(card));
said.first = document.querySelector("section").id;
"""


@browsed
@pytest.mark.parametrize("width", [390, 1440])
def test_four_questions_are_answered_first_and_each_has_a_place_on_the_page(width: int, tmp_path: Path) -> None:
    play(tmp_path / "run", 800)  # enough that a look has rewards to compare
    said = use(page_of([tmp_path / "run"], ""), FOUR, width, tmp_path)
    assert said.pop("asked") == [
        "Is it still improving?",
        "Which layer changes most?",
        "What does the policy do after a bad round?",
        "Do the rewards say more than noise?",
    ]
    assert said == {"answered": True, "readable": True, "first": "in-short"}


def test_the_layer_that_changes_most_is_told_relative_to_its_size_and_in_units_of_weights(runs: list[Path]) -> None:
    change = data_of(page_of(runs[:1], ""))["runs"][0]["change"]
    moved = {row[0]: row[1:] for row in change["rows"]}
    relative = max((own[1], name) for name, own in moved.items() if own[1] is not None)
    absolute = max((own[0], name) for name, own in moved.items())
    assert moved["layer0_bias"][1] is None  # it began at 0: no size to compare with
    assert change["verdict"].startswith(f"{relative[1]}: it moved by {relative[0]:.3g} times its size at the start.")
    assert f"{absolute[1]} moved furthest, by {absolute[0]:.3g}" in change["verdict"]


def test_agents_that_go_by_evidence_are_told_by_which_way_their_best_action_goes(tmp_path: Path) -> None:
    spec = preset("xor", "team-q", history="trace", rounds=400)
    play(tmp_path, spec)
    policy = data_of(page_of([tmp_path], ""))["runs"][0]["policy"]
    rows = [(np.argmax(row["values"]), row["visited"]) for row in policy["rows"]]
    assert len(rows) == 9 and policy["rows"][0]["name"].endswith("(for down)")
    sure = [*((best == 0, best == 2, visited) for best, visited in rows[:4])]
    sure += [(best == 2, best == 0, visited) for best, visited in rows[5:]]
    total = sum(visited for *_, visited in sure)
    along, other = (sum(own[side] * own[2] for own in sure) / total if total else 0 for side in (0, 1))
    assert f"goes that way in {along:.0%} of visits, the other way in {other:.0%}." in policy["verdict"]
