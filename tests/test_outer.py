"""The outer loop: its gradient, its evolution, runs that go on with the same bits, and runs on disk."""

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.flatten_util import ravel_pytree

from synagents import OuterSpec, RunSpec, fit, open_run, outer, preset, read_metrics
from synagents.envs import plastic_v0, synapse_v0
from synagents.learners.plastic.hebbian import Hebbian
from synagents.learners.plastic.retroactive import Retroactive
from synagents.learners.uniform import Uniform
from synagents.outer_methods import AdvantageActorCritic, Ascend, Earned, Evolve, Life, Lived, Theta
from synagents.report.plot import plot_run
from synagents.report.replay import plot_life
from synagents.run.config import read_config
from tests.claims import refused, same_bits
from tests.test_plastic_v0 import KEY, SMALL, suited


def test_the_gradient_through_a_life_is_what_finite_differences_say() -> None:
    with jax.enable_x64(True):
        world = suited("retroactive")
        slow = jax.tree.map(lambda x: x.astype(jnp.float64), world.init(KEY))
        flat, as_slow = ravel_pytree(slow)

        @jax.jit
        def loss(flat: Any) -> Any:  # decisions stay the same while the differences are small
            info = outer.live(replace(world, slow=as_slow(flat)), Retroactive(), {}, KEY).info
            return jnp.mean(info["log_probability"] + info["value"] ** 2 + info["concentration"])

        gradient, small = jax.grad(loss)(flat), 1e-6
        differences = [
            (loss(flat + small * way) - loss(flat - small * way)) / (2 * small) for way in jnp.eye(len(flat))
        ]
        np.testing.assert_allclose(gradient, differences, rtol=1e-5, atol=1e-9)
        for name in ("alpha", "modulator_weight", "eligibility_rate"):
            assert np.abs(as_slow(gradient)[name]).max() > 1e-6


def test_a_teaching_goes_on_with_the_same_bits() -> None:
    world = suited("hebbian")
    fresh = outer.begin(0, world, Hebbian(), AdvantageActorCritic(), Ascend(1e-2), lives=3, num_runs=2)
    whole, _ = outer.advance(fresh, 6)
    parts, _ = outer.advance(outer.advance(fresh, 3)[0], 3)
    assert same_bits(whole.theta, parts.theta) and whole.t == parts.t == 6
    assert not same_bits(whole.theta, fresh.theta)
    assert not same_bits(*(jax.tree.map(lambda x, k=k: x[k], whole.theta.slow) for k in (0, 1)))


def test_a_teaching_that_loses_its_numbers_stops_in_a_sentence() -> None:
    fresh = outer.begin(0, suited("hebbian"), Hebbian(), AdvantageActorCritic(scale=3e38), Ascend(1.0))
    with pytest.raises(FloatingPointError, match="from update 3 on"):
        outer.check_finite(outer.advance(fresh, 2)[1], 2)


def test_evolution_goes_the_gradients_way_on_a_quadratic() -> None:
    pytest.importorskip("evosax", reason="evosax is not installed")
    centre = Theta({"a": jnp.array([3.0, -1.0])}, {"b": jnp.float32(2)})

    def live(theta: Theta) -> Lived:
        far = sum(jnp.sum((x - y) ** 2) for x, y in zip(jax.tree.leaves(theta), jax.tree.leaves(centre), strict=True))
        return Lived(far, -far)

    start = jax.tree.map(jnp.zeros_like, centre)
    method = Evolve(population=4096, deviation=0.01)
    _, memory, lived = jax.jit(method.step, static_argnums=3)(KEY, start, method.init(start), live)
    way = optax.tree.get(memory, "mu")  # Adam's mean of what it was given
    gradient = ravel_pytree(jax.grad(lambda theta: live(theta).objective)(start))[0]
    assert float(way @ gradient / jnp.linalg.norm(way) / jnp.linalg.norm(gradient)) > 0.99
    assert float(lived.objective) == pytest.approx(14, rel=0.01)
    method = Evolve(0.05, population=32, deviation=0.05)
    end, _ = jax.lax.scan(
        lambda now, key: (method.step(key, *now, live)[:2], None),
        (start, method.init(start)),
        jax.random.split(KEY, 200),
    )
    assert float(live(end[0]).objective) < 0.01


def test_the_usual_objective_is_what_its_docstring_says() -> None:
    reward, value = np.array([0.0, 1.0, -1.0], np.float32), np.array([0.5, 0.0, 0.25], np.float32)
    log_p, concentration = np.array([-0.1, -0.2, -0.3], np.float32), np.array([0.5, 0.6, 0.7], np.float32)
    info = {"value": value, "log_probability": log_p, "concentration": concentration}
    life = Life(jnp.asarray(reward), {name: jnp.asarray(x) for name, x in info.items()}, (), ())
    returns = np.array([0.5 * (1 - 0.5), 1 - 0.5, -1.0])
    advantage = returns - value
    by_hand = (0.2 * advantage**2 - log_p * advantage + 0.3 * concentration).mean()
    objective = AdvantageActorCritic(discount=0.5, critic=0.2, concentration=0.3)
    assert float(objective(life)) == pytest.approx(by_hand, rel=1e-5)
    assert float(Earned()(life)) == 0


# On disk


def short(**options: Any) -> Any:
    return preset("cue", "hebbian", **({"rounds": 6, "lives": 2, "num_runs": 2} | SMALL | options))


def test_a_run_of_an_outer_loop_goes_on_in_its_directory_with_the_same_bits(tmp_path: Path) -> None:
    told: list[str] = []
    whole, summary = fit(short(), tmp_path / "whole", tell=told.append)
    assert isinstance(short(), OuterSpec) and whole.t == 6
    fit(short(rounds=3), tmp_path / "parts", tell=told.append)
    parts, again = fit(short(), tmp_path / "parts", tell=told.append)
    assert same_bits(whole.theta, parts.theta) and same_bits(whole.memory, parts.memory)
    assert summary["weights_sha256"] == again["weights_sha256"] and told == [
        f"The run in {tmp_path / 'parts'} goes on from step 3."
    ]
    columns = read_metrics(tmp_path / "whole")
    assert set(columns) == {"step", "run", "reward", "objective", "change", "held_out_reward"}
    assert columns["step"].tolist() == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6]
    opened, read = open_run(tmp_path / "parts")
    assert same_bits(opened.theta, whole.theta) and read == again  # type: ignore[union-attr]


def test_the_summary_is_of_fresh_lives_beside_the_tasks_levels(tmp_path: Path) -> None:
    spec = short()
    run, summary = fit(spec, tmp_path / "a", tell=print)
    curve = np.asarray(outer.evaluate(run, 256))
    assert curve.shape == (2, SMALL["length"])
    assert summary["final_reward_by_run"] == pytest.approx(curve.sum(axis=1).tolist())
    assert summary["final_reward"] == pytest.approx(float(np.mean(summary["final_reward_by_run"])))
    assert summary["levels"] == spec.world.task.levels == read_config(tmp_path / "a")["levels"]
    rows = list(csv.DictReader((tmp_path / "a" / "lives.csv").read_text().splitlines()))
    assert len(rows) == 2 * SMALL["length"]
    after = [float(row["after"]) for row in rows if row["run"] == "1"]
    np.testing.assert_allclose(after, curve[1], rtol=1e-4, atol=1e-6)
    weights = np.load(tmp_path / "a" / "weights.npz")
    assert weights["recurrent_weight"].shape == (2, 3, 3) and weights["rule.eta"].shape == (2,)


def test_an_outer_loop_that_is_not_as_it_began_is_refused(tmp_path: Path) -> None:
    fit(short(), tmp_path / "a", tell=print)
    assert "method.learning_rate 0.002, not 0.1" in refused(lambda: fit(short(learning_rate=0.1), tmp_path / "a"))
    assert "lives 2, not 3" in refused(lambda: fit(short(lives=3), tmp_path / "a"))
    evolved = refused(lambda: fit(short(outer="evolve"), tmp_path / "a"))
    assert "method Ascend, not Evolve" in evolved


def test_what_an_outer_loop_cannot_be_is_refused_in_a_sentence() -> None:
    assert "leave num_worlds, probes out" in refused(lambda: short(num_worlds=2, probes=["action-mix"]))
    assert "No outer loop is called 'climb'" in refused(lambda: short(outer="climb"))
    assert "has no outer loop: leave lives out" in refused(lambda: preset("xor", lives=3))
    assert "has no outer loop: leave --outer out" in refused(lambda: preset("xor", outer="evolve"))
    assert "population must be even" in refused(lambda: short(outer="evolve", population=3))
    world = synapse_v0.world("xor", hidden=())
    assert "has no lives for an outer loop" in refused(lambda: OuterSpec(world, Uniform(), 3))
    assert "method must be a synagents.Method" in refused(
        lambda: outer.begin(0, suited("hebbian"), Hebbian(), Earned(), optax.adam(1))  # type: ignore[arg-type]
    )


def test_evolution_is_chosen_by_name_and_changes_what_the_gradient_would() -> None:
    pytest.importorskip("evosax", reason="evosax is not installed")
    spec = short(outer="evolve", population=4, num_runs=1)
    run, history = spec.advance(spec.begin(), 3)
    assert history.reward.shape == (1, 3) and np.all(np.asarray(history.change) > 0)
    assert spec.begin().method.population == 4 and run.t == 3
    assert spec.lives_per_step == 4 * short(num_runs=1).lives_per_step  # each of four lives them


def test_a_plastic_world_without_an_outer_loop_is_a_run_of_rounds() -> None:
    spec = RunSpec(suited("hebbian"), Hebbian(), rounds=2 * SMALL["length"], num_worlds=3)
    run, history = spec.advance(spec.begin(), 2 * SMALL["length"])
    assert history.reward.shape == (1, 2 * SMALL["length"], 3) and run.t == 2 * SMALL["length"]


# Pictures


def test_a_run_and_a_life_are_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    run, _ = fit(short(), tmp_path / "a", tell=print)
    assert plot_run(tmp_path / "a").stat().st_size > 10_000
    assert plot_life(run, "cue", tmp_path / "life.png", index=1).stat().st_size > 10_000
    assert "There is no run 2" in refused(lambda: plot_life(run, "cue", tmp_path / "x.png", index=2))
    world = plastic_v0.world("maze", size=5, units=3, length=9)
    lost = OuterSpec(world, Hebbian(), 2, lives=2).begin()
    life = outer.replay(lost, 0)
    assert life.seen[1].shape == (9, 2) and set(life.seen[0]) == {"trace", "modulator"}
    assert not world.task.ground[tuple(np.asarray(life.seen[1], int).T)].any()  # never in a wall
    assert plot_life(lost, "maze", tmp_path / "maze").suffix == ".png"
