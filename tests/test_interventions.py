"""What if an agent, or a group, had done otherwise: against two forward passes by hand, and all orders by hand."""

import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from click.testing import CliRunner

from synagents.agents.tables import Table
from synagents.cli.build import open_run, preset
from synagents.cli.main import cli
from synagents.envs import synapse_v0
from synagents.hyperparameters import settings
from synagents.interventions.alignment import _reliability, alignment_of
from synagents.interventions.credit import credit
from synagents.interventions.follow import follow
from synagents.interventions.lesion import lesioned
from synagents.interventions.moment import act_otherwise, acted, instead_of, moment_of
from synagents.interventions.shapley import coalitions, orders_of, shapley
from synagents.interventions.told import as_text, correlation, of_credit
from synagents.interventions.transplant import transplanted
from synagents.learners.synapse.team_q import TeamQ
from synagents.learners.uniform import Uniform
from synagents.loop import Run, advance, begin, evaluate
from synagents.networks.integer import IntegerMLP
from synagents.registry import offers
from synagents.run.files import Json
from synagents.run.fit import fit
from synagents.run.tables import load_table
from synagents.world import Learner
from tests.toys import Relay, pictures

STEP = 0.05
WORLD = synapse_v0.world("xor", hidden=(3,), step_size=STEP, interval=0, init_scale=0.5)
PAID = replace(WORLD, reward="delta")
SHARED = synapse_v0.world("digits", hidden=(), step_size=0.01, interval=2, batch_size=20)


def after(rounds: int = 4, world: Any = WORLD, **options: Any) -> Run:
    return advance(begin(3, world, Uniform(), **options), rounds)[0]


def by_hand(weights: dict[str, np.ndarray], run: Run) -> float:
    """The loss of a network with three hidden units, in NumPy with 64 bits."""
    task = run.world.task
    batch = jax.tree.map(lambda x: x[0, 0], run.state.task)
    h = np.asarray(batch.x, np.float64)
    w = {name: np.asarray(own, np.float64) for name, own in weights.items()}
    h = np.maximum(h @ w["layer0_weight"] + w["layer0_bias"], 0)
    out = h @ w["layer1_weight"] + w["layer1_bias"]
    with jax.enable_x64(True):
        return float(task.loss(jnp.asarray(out), batch.target))


def moved(run: Run, actions: dict[str, Any]) -> dict[str, np.ndarray]:
    """The weights after these actions, in 32 bits as the world has them."""
    state = jax.tree.map(lambda x: x[0, 0], run.state)
    made = {}
    for name, weight in state.weights.items():
        size = np.float32(2 * STEP if name.endswith("bias") else STEP)
        made[name] = np.asarray(weight) + size * (np.asarray(actions[name], np.float32).reshape(weight.shape) - 1)
    return made


def chosen(run: Run) -> dict[str, np.ndarray]:
    return {name: np.array(own) for name, own in acted(moment_of(run)).actions.items()}


def test_the_round_that_is_replayed_is_the_one_that_the_run_plays_next() -> None:
    for run in (after(), after(4, SHARED), after(3, SHARED, num_worlds=2, num_runs=2)):
        index, number = run.num_runs - 1, run.num_worlds - 1
        told = credit(run, index=index, number=number)
        _, history = advance(run, 1)
        assert told.loss == pytest.approx(float(history.info["loss"][index, 0, number]), rel=1e-5)


def test_a_shared_batch_that_is_due_is_the_one_that_is_replayed() -> None:
    run = after(4, SHARED, num_worlds=2, shared_task=True)
    _, history = advance(run, 1)
    for number in (0, 1):
        assert credit(run, number=number).loss == pytest.approx(float(history.info["loss"][0, 0, number]), rel=1e-5)


def test_credit_is_the_difference_of_two_forward_passes() -> None:
    run = after()
    told, actions = credit(run, chunk=4), chosen(run)
    made = by_hand(moved(run, actions), run)
    assert told.loss == pytest.approx(made, rel=1e-12)
    for name, own in actions.items():
        for agent in range(own.size):
            other = own.copy()
            other[agent] = 1
            expected = by_hand(moved(run, actions | {name: other}), run) - made
            assert told.contribution[name][agent] == pytest.approx(expected, abs=1e-12)
    stay = {name: np.ones_like(own) for name, own in actions.items()}
    assert told.team == pytest.approx(by_hand(moved(run, stay), run) - made, abs=1e-12)


def test_who_did_nothing_contributes_nothing_and_others_do() -> None:
    told = credit(after())
    changed = np.concatenate(list(told.changed.values()))
    worth = np.concatenate(list(told.contribution.values()))
    assert (worth[~changed] == 0).all() and (worth[changed] != 0).mean() > 0.5


def test_the_first_order_is_off_by_the_square_of_the_step() -> None:
    errors = []
    for step in (1e-2, 1e-3):
        # tanh: a relu has a kink, over which nothing is of second order
        world = synapse_v0.world("xor", hidden=(3,), step_size=step, interval=0, init_scale=0.5, activation="tanh")
        told = credit(after(1, world))
        errors.append(abs(told.total - told.first_order_total))
        assert told.total == pytest.approx(told.first_order_total, rel=0.2)
    assert errors[1] == pytest.approx(errors[0] / 100, rel=0.5)


def test_chunks_of_any_length_say_the_same() -> None:
    run = after()
    assert credit(run, chunk=1).total == pytest.approx(credit(run, chunk=100).total, rel=1e-9)


def test_belief_is_the_difference_of_two_cells_of_the_table() -> None:
    learner = offers("learners")["q-table"]
    run, _ = advance(begin(0, WORLD, learner(adaptive=True, alpha=0.5)), 30)
    told, seen = credit(run), acted(moment_of(run))
    table = np.asarray(run.learner.action_values(jax.tree.map(lambda x: x[0], run.mind)))
    code, action = (int(part["layer1_bias"][0]) for part in (seen.obs, seen.actions))
    assert told.belief["layer1_bias"][0] == pytest.approx(table[code, action] - table[code, 1])
    assert credit(after()).belief == {}


def test_credit_speaks_of_the_future_loss_and_a_shuffled_one_does_not() -> None:
    """Freezing those who harmed lowers the loss of the round; freezing as many others, drawn at random, does not."""
    run = after()
    told = credit(run)
    moment, other = moment_of(run), instead_of(WORLD)
    worth = np.concatenate(list(told.contribution.values()))

    def loss_without(harmful: np.ndarray) -> float:
        ends = np.cumsum([group.size for group in WORLD.groups])[:-1]
        who = dict(zip(told.contribution, np.split(harmful, ends), strict=True))
        return by_hand(jax.tree.map(np.asarray, act_otherwise(moment, other, who).moved.weights), run)

    assert loss_without(worth < 0) < told.loss - 1e-3
    drawn = [loss_without(np.random.default_rng(seed).permutation(worth < 0)) for seed in range(20)]
    assert loss_without(worth < 0) < min(drawn)


@settings
class Echo(Learner):
    """Callers fire; as many hearers fire as they have heard."""

    def init(self, key: Any, groups: Any) -> Any:
        return ()

    def act(self, key: Any, mind: Any, obs: Any, t: Any, turn: int) -> tuple[Any, Any]:
        if turn == 0:
            return {"callers": jnp.ones(2, jnp.uint8)}, ()
        return {"hearers": (jnp.arange(3) < obs["hearers"][0]).astype(jnp.uint8)}, ()

    def update(self, key: Any, mind: Any, transition: Any, last_obs: Any, t: Any) -> tuple[Any, Any]:
        return mind, {}


def test_agents_of_later_turns_see_what_was_changed_and_answer_it() -> None:
    """A silent caller is answered by one hearer fewer, so nothing is lost; a silent hearer leaves the answer wrong."""
    told = credit(begin(0, Relay(), Echo()), instead=0)
    assert told.loss == 0 and told.loss_otherwise == 0
    assert told.contribution["callers"].tolist() == [0, 0] and told.contribution["hearers"].tolist() == [1, 1, 0]
    assert told.first_order == {} and np.isnan(told.first_order_total)


def test_units_need_an_action_to_be_compared_with() -> None:
    run = begin(0, Relay(), Echo())
    with pytest.raises(ValueError, match="No action of these agents does nothing"):
        credit(run)
    with pytest.raises(ValueError, match="callers have no action 2"):
        credit(run, instead=2)
    with pytest.raises(ValueError, match=r"have no action 0\.5"):
        credit(after(), instead=0.5)


def test_a_round_of_several_candidates_is_refused() -> None:
    with pytest.raises(ValueError, match="candidates=1"):
        credit(begin(0, synapse_v0.world("xor", hidden=(2,), candidates=2), Uniform()))


def test_weights_of_whole_numbers_have_credit_and_no_first_order() -> None:
    world = synapse_v0.world(pictures(), network=IntegerMLP((6, 4, 3)), interval=0)
    told = credit(after(2, world))
    assert told.first_order == {} and told.total == int(told.total) and told.team != 0


def value(run: Run, actions: dict[str, Any], acting: tuple[str, ...]) -> float:
    """What some groups add, by hand."""
    still = {name: np.ones_like(own) for name, own in actions.items()}
    return by_hand(moved(run, still), run) - by_hand(moved(run, still | {name: actions[name] for name in acting}), run)


def test_shapley_values_are_the_mean_over_all_orders() -> None:
    run = after()
    told, actions = shapley(run), chosen(run)
    names, phi = list(actions), dict.fromkeys(actions, 0.0)
    orders = list(itertools.permutations(names))
    for order in orders:
        for place, name in enumerate(order):
            both = (value(run, actions, order[: place + 1]), value(run, actions, order[:place]))
            phi[name] += (both[0] - both[1]) / len(orders)
    assert told.exact and told.orders == 24 and told.value == pytest.approx(phi, abs=1e-12)
    assert told.alone[names[0]] == pytest.approx(value(run, actions, (names[0],)), abs=1e-12)
    rest = value(run, actions, tuple(names)) - value(run, actions, tuple(names[1:]))
    assert told.last[names[0]] == pytest.approx(rest, abs=1e-12)


@pytest.mark.parametrize("orders", [24, 7])
def test_shapley_values_are_efficient_however_few_orders_are_taken(orders: int) -> None:
    told = shapley(after(), orders=orders)
    assert sum(told.value.values()) == pytest.approx(told.team, abs=1e-12) and told.orders == orders
    assert told.team == pytest.approx(credit(after()).team, abs=1e-12)


def test_intervals_hold_the_exact_value_about_as_often_as_they_say() -> None:
    exact = shapley(after())
    inside = []
    for seed in range(20):
        told = shapley(after(), orders=12, seed=seed)
        assert not told.exact
        inside += [abs(told.value[name] - exact.value[name]) <= told.half[name] + 1e-12 for name in exact.value]
    assert 0.8 < np.mean(inside) <= 1


def test_a_group_that_does_nothing_gets_nothing() -> None:
    world = replace(WORLD, bias_gain=0.0)
    told = shapley(after(4, world))
    assert told.value["layer0_bias"] == told.value["layer1_bias"] == 0 and told.half["layer0_bias"] == 0
    assert told.value["layer0_weight"] != 0


def test_orders_and_coalitions_by_hand() -> None:
    assert len(set(orders_of(3, 6, 0))) == 6 and len(orders_of(3, 5, 0)) == 5
    assert coalitions([(1, 0, 2)], 3).astype(int).tolist() == [[[0, 0, 0], [0, 1, 0], [1, 1, 0], [1, 1, 1]]]


def test_a_team_that_acts_at_random_is_aligned_with_nothing_and_the_rule_is() -> None:
    rule = offers("learners")["repeat-undo"]()
    world = synapse_v0.world("digits", hidden=(), step_size=0.002, interval=50, batch_size=100, reward="sign")
    for learner, follows in ((rule, True), (Uniform(), False)):
        told = alignment_of(begin(0, world, learner), rounds=200)["layer0_weight"]
        assert (told.alignment.low > 0) == follows
        assert 0 < told.floor < 0.1 and told.alignment.value < told.ceiling < 1


def test_the_ceiling_is_the_share_of_a_gradient_that_is_no_noise() -> None:
    rng = np.random.default_rng(0)
    signal = rng.normal(size=2000)
    for noise, expected in ((0.0, 1.0), (1.0, 0.5**0.5), (3.0, 0.1**0.5)):
        slopes = signal + noise * rng.normal(size=(64, 2000))
        assert float(_reliability(jnp.asarray(slopes, jnp.float32))) == pytest.approx(expected, abs=0.03)
    assert float(_reliability(jnp.asarray(rng.normal(size=(64, 2000)), jnp.float32))) < 0.1
    assert float(_reliability(jnp.zeros((3, 5)))) == 0


@pytest.mark.parametrize("learner", [Uniform(), TeamQ()])
def test_frozen_agents_stay_where_they_are_and_others_go_on(learner: Any) -> None:
    run, _ = advance(begin(0, PAID, learner), 5)
    later, _ = advance(lesioned(run, "layer0_weight", "freeze"), 20)
    assert (later.state.weights["layer0_weight"] == run.state.weights["layer0_weight"]).all()
    assert (later.state.weights["layer1_weight"] != run.state.weights["layer1_weight"]).any()
    intact, _ = advance(run, 20)
    assert (intact.state.weights["layer0_weight"] != run.state.weights["layer0_weight"]).any()


def test_removed_weights_are_zero_and_stay_so() -> None:
    later, _ = advance(lesioned(after(), "layer1_bias", "remove"), 10)
    assert (later.state.weights["layer1_bias"] == 0).all()


def test_random_agents_choose_each_action_a_third_of_the_time_whatever_the_learner_says() -> None:
    up = Table(np.tile(np.float32([0, 0, 1]), (81, 1)), WORLD.groups[0].about, "team")
    run = begin(0, PAID, TeamQ(table=up, adaptive=False, epsilon=0.0))
    seen = []
    for group in ("layer0_weight", "layer1_weight"):  # the same look at whom nothing was done to
        now = lesioned(run, group, "random")
        for _ in range(60):
            now, _ = advance(now, 1)
            seen.append((group, np.asarray(now.state.actions["layer0_weight"][0, 0]) % 3))
    random, others = (
        np.concatenate([own for name, own in seen if (name == "layer0_weight") == it]) for it in (True, False)
    )
    assert np.bincount(random, minlength=3) / random.size == pytest.approx([1 / 3] * 3, abs=0.08)
    assert (others == 2).all()


def test_lesions_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="No group is called 'layer'"):
        lesioned(after(), "layer", "freeze")
    with pytest.raises(ValueError, match="kind must be one of freeze, random, remove"):
        lesioned(after(), "layer0_bias", "melt")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="does nothing"):
        lesioned(begin(0, Relay(), Echo()), "callers", "freeze")


def test_an_intact_run_is_followed_as_it_would_have_gone() -> None:
    run = after(2, SHARED)
    told = follow({"intact": run}, 20)
    later, _ = advance(run, 20)
    assert told.steps.tolist() == list(range(2, 23, 2))
    assert told.metrics["intact"]["loss"][-1] == pytest.approx(float(evaluate(later)["loss"][0, 0]), rel=1e-5)
    with pytest.raises(ValueError, match="multiple of 10"):
        follow({"intact": run}, 15)
    with pytest.raises(ValueError, match="played"):
        follow({"a": run, "b": later}, 10)


def test_a_transplanted_table_trains_another_world_and_random_agents_do_not() -> None:
    run = preset("digits", "team-q", hidden=(), rounds=1000).begin()
    told = follow(transplanted(run, load_table(learner="team-q"), 0), 1000).metrics
    assert told["transplant"]["accuracy"][-1] > 0.35 > 0.2 > told["random"]["accuracy"][-1]
    assert told["transplant"]["accuracy"][0] == told["random"]["accuracy"][0] == told["own"]["accuracy"][0]


def test_a_table_that_means_something_else_is_refused() -> None:
    with pytest.raises(ValueError, match="rows are histories of"):
        transplanted(begin(0, PAID, TeamQ()), load_table(learner="team-q"), 0)
    with pytest.raises(ValueError, match="Uniform has no table"):
        transplanted(after(), load_table(), 0)


def test_what_is_told_of_credit_is_a_row_for_each_group_and_the_error_of_the_sum() -> None:
    found = credit(after())
    rows, closing = of_credit(found)
    assert sum(row["sum"] for row in rows.values()) == pytest.approx(closing["sum"])  # type: ignore[misc]
    assert closing["error"] == found.first_order_total - found.total
    assert closing["together"] == found.team - found.total
    assert as_text(rows, closing, "group").splitlines()[0].split() == [
        "group", "agents", "changed", "helped", "sum", "first_order",
    ]  # fmt: skip
    assert correlation(np.array([1.0, 2, 3]), np.array([2.0, 4, 6])) == pytest.approx(1)
    assert correlation(np.ones(3), np.arange(3.0)) is None


def test_the_command_says_what_the_functions_find(tmp_path: Path) -> None:
    directory = tmp_path / "run"
    spec = preset("xor", "team-q", rounds=40, hidden=(3,))
    fit(spec, directory, tell=lambda line: None, checkpoint_seconds=0)

    def ask(*words: str) -> Json:
        said = CliRunner().invoke(cli, ["probe", str(directory), *words, "--json"])
        assert said.exit_code == 0, said.exception or said.output
        return json.loads(said.stdout)

    run = open_run(directory)[0]
    told = ask("--out", str(tmp_path / "c.npz"))
    assert (told["what"], told["step"], set(told["groups"])) == ("credit", 40, {g.name for g in run.world.groups})
    with np.load(tmp_path / "c.npz") as kept:
        assert sum(kept[f"contribution.{name}"].sum() for name in told["groups"]) == pytest.approx(told["sum"])
    between = ask("--step", "23")
    assert between["step"] == 23
    assert between["sum"] == pytest.approx(credit(advance(spec.begin(), 23)[0]).total)
    assert ask("--what", "alignment", "--rounds", "10")["groups"]["layer0_weight"]["floor"] == pytest.approx(
        1.96 / 6**0.5
    )
    assert len(ask("--what", "lesion", "--lesion", "layer0_weight:freeze", "--rounds", "20")["steps"]) == 11
    unsaid = CliRunner().invoke(cli, ["probe", str(directory), "--what", "lesion", "--lesion", "layer0_weight"])
    assert "'layer0_weight' does not say how: write GROUP:freeze" in str(unsaid.exception)
    assert set(ask("--what", "transplant", "--from", str(directory), "--rounds", "10")["steps"]["0"]) == {
        f"{name}_accuracy" for name in ("transplant", "own", "random")
    }


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--rounds", "20"], "--rounds says nothing of credit"),
        (["--what", "alignment", "--from", "x"], "--from says nothing of alignment"),
        (["--what", "lesion"], "lesion needs --lesion"),
        (["--what", "transplant"], "transplant needs --from"),
    ],
)
def test_an_option_that_says_nothing_is_refused(words: list[str], sentence: str) -> None:
    said = CliRunner().invoke(cli, ["probe", "nowhere", *words])
    assert isinstance(said.exception, ValueError) and sentence in str(said.exception)
