"""A preset is what the command line plays; what is published inherits nothing, and every pair that is offered runs."""

import contextlib
from pathlib import Path
from typing import Any

import jax
import pytest

from synagents import begin, fit, open_run, outer, preset, registry, schedules
from synagents.cli import flags, presets
from synagents.cli.build import learners_of, offered
from synagents.cli.by_name import make_network, network_flags
from synagents.cli.sections import Names, family_of, known_settings, recommended, sections
from synagents.cli.sections import named as as_named
from synagents.cli.train import named
from synagents.learners.synapse.trace import Trace
from synagents.loop import advance
from synagents.run.config import read_config
from tests.claims import READ_FILES, one_sentence, refused

PLAYABLE = [names for names in offered() if names.task not in READ_FILES]
OF_RUNS = {"rounds", "num_worlds", "lives"}
PLAYED = [(task, world) for task in registry.offers("tasks") for world in registry.players(task)]


def called(names: Names) -> str:
    return f"{names.task}-{names.learner}-{names.world}"


@pytest.mark.parametrize(("task", "world"), PLAYED)
def test_every_task_has_a_preset_for_the_usual_learner_of_every_world_that_plays_it(task: str, world: str) -> None:
    names = as_named(task, world=world)
    usual = recommended(names)
    assert names.learner in learners_of(task, world)
    assert "rounds" in usual and ("hidden" in usual or "hidden" not in known_settings(names))
    if "step_size" in usual:
        schedules.require_range("step_size", schedules.parse(usual["step_size"], usual["rounds"]), 0)


def test_a_task_that_is_unknown_has_a_preset_of_rounds_alone() -> None:
    assert presets.recommended("weather", "uniform", "unit") == {"rounds": presets.ROUNDS}


def test_a_preset_of_a_network_goes_before_that_of_the_task_and_the_learner_and_given_settings_before_both() -> None:
    plain = preset("digits", "team-q", network="spiking")
    assert (plain.world.network.norm, plain.world.network.window) == ("batch", 3)
    assert plain.rounds == presets.ON_NETWORKS["synapse", "digits", "spiking"]["rounds"]
    assert plain.world.task.batch_size == 500 and preset("digits", "team-q").world.task.batch_size == 200
    without = preset("digits", "team-q", network="spiking", norm="none").world.network
    assert (plain.world.network.hidden_scale, without.norm, without.hidden_scale) == (100, "none", 1)
    assert preset("digits", "team-q", network="spiking", hidden=(8, 8)).world.network.hidden == (8, 8)


@pytest.mark.parametrize("names", [names for names in PLAYABLE if len(registry.players(names.task)) > 1], ids=called)
def test_a_preset_of_a_task_of_several_worlds_gives_none_what_only_another_has(names: Names) -> None:
    assert set(recommended(names)) <= {*known_settings(names), *OF_RUNS}


@pytest.mark.parametrize("pair", presets.PUBLISHED, ids="-".join)
def test_a_published_preset_inherits_no_setting_of_the_learner(pair: tuple[str, str]) -> None:
    task, learner = pair
    of_learner = set(flags.flags_of(registry.find("learners", learner)))
    of_task = presets.TASKS[family_of(Names(*pair))][task]
    shared = set(of_task) | set(presets.LEARNERS.get(learner, {}))
    assert shared & of_learner <= set(presets.PUBLISHED[pair])


def test_weight_maximization_controls_without_actor_traces() -> None:
    for task in ("cartpole", "acrobot", "lunar-lander"):
        assert presets.recommended(task, "weight-maximization", "unit")["trace_decay"] == 0


@pytest.mark.parametrize("pair", [*presets.PUBLISHED, *presets.MEASURED], ids="-".join)
def test_a_preset_of_a_pair_names_only_what_the_pair_has(pair: tuple[str, str]) -> None:
    own = presets.PUBLISHED.get(pair, {}) | presets.MEASURED.get(pair, {})
    assert set(own) <= {*known_settings(as_named(*pair)), *OF_RUNS}


@pytest.mark.parametrize(("task", "world"), PLAYED)
def test_a_preset_of_a_task_names_only_what_some_learner_on_it_has(task: str, world: str) -> None:
    of_all = [known_settings(as_named(task, learner, world=world)) for learner in learners_of(task, world)]
    assert set(presets.TASKS[world][task]) <= {name for known in of_all for name in known} | OF_RUNS


def test_presets_are_of_worlds_that_play_their_tasks() -> None:
    assert {(task, world) for world, tasks in presets.TASKS.items() for task in tasks} == set(PLAYED)


def typed_networks() -> list[str]:
    """Those that the command line can make."""
    there = []
    for network in registry.offers("networks"):
        with contextlib.suppress(ValueError):
            network_flags(network)
            there.append(network)
    return there


def test_no_two_flags_of_one_command_line_share_a_name() -> None:
    from synagents.cli.main import train

    own = {word for param in train.own_params for word in (*param.opts, *param.secondary_opts)}  # type: ignore[attr-defined]
    for names in offered():
        for network in [None, *typed_networks()] if names.world == "synapse" else [None]:
            titled = sections(names._replace(network=network)).values()
            words = [word for part in titled for flag in part.values() for word in flags.option(flag).opts]
            assert len(words) == len(set(words)) and not own & set(words), (names, network)


def test_a_word_is_a_switch_everywhere_or_nowhere() -> None:
    from synagents.cli.sections import all_flags

    switches = flags.switches(all_flags())
    assert not {flag.name for flag in all_flags() if flag.kind is not bool} & switches


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("xor --learner q-table --adaptive", {"task": "xor", "--learner": "q-table"}),
        ("--adaptive xor --learner=q-table", {"task": "xor", "--learner": "q-table"}),
        ("--hidden 3 xor", {"task": "xor"}),
        ("--hiden 3 --network m:N -- xor", {"task": "xor", "--network": "m:N"}),
        ("--learner", {"--learner": ""}),
        ("--world unit xor --world=synapse", {"task": "xor", "--world": "synapse"}),
        ("--seed -1 xor", {"task": "xor"}),
        ("", {}),
    ],
)
def test_task_learner_network_and_world_are_found_wherever_they_stand(typed: str, found: dict[str, str]) -> None:
    assert named(typed.split(), {"--adaptive"}) == found


@pytest.mark.parametrize("names", PLAYABLE, ids=called)
def test_everything_that_is_offered_plays_by_its_preset(names: Names) -> None:
    chosen: dict[str, Any] = {"world": names.world, "rounds": 2}
    # Whatever could be refused is refused while the program is traced; only LunarLander has a host to call.
    if names.outer:
        lived = preset(names.task, names.learner, lives=2, **chosen)
        _, happened = jax.eval_shape(lambda: outer.advance(lived.begin(), 2))
        assert happened.reward.shape == (1, 2)
        return
    num_worlds = min(2, recommended(names).get("num_worlds", 1))
    spec = preset(names.task, names.learner, num_worlds=num_worlds, **chosen)
    assert family_of(names) == names.world == spec.about["world"]
    run = jax.eval_shape(spec.begin)
    _, history = jax.eval_shape(lambda run: advance(run, 2), run)
    assert history.info["loss"].shape == (1, 2, spec.num_worlds)


def test_learners_that_cannot_make_numbers_are_not_offered_where_actions_are_numbers() -> None:
    for task in ("mountain-car", "scalar-regression"):
        assert not {"uniform", "boltzmann", "recurrent"} & set(learners_of(task))
        told = one_sentence(refused(lambda task=task: preset(task, "uniform")))  # type: ignore[misc]
        assert told.startswith(f"uniform does not fit {task}") and "use backprop, " in told


@pytest.mark.parametrize("learner", registry.offers("learners"))
def test_a_preset_pays_a_learner_what_it_needs(learner: str) -> None:
    for task in ("xor", "digits"):
        if learner in learners_of(task):
            world = preset(task, learner).world
            needs, pays = registry.find("learners", learner).needs, world.reward_kind  # type: ignore[attr-defined]
            assert pays.graded or not needs.graded
            assert pays.same_batch or not needs.same_batch


@pytest.mark.parametrize(
    ("learner", "world", "played"),
    [
        (None, None, "synapse team-q"),
        (None, "synapse", "synapse team-q"),
        (None, "unit", "unit weight-maximization"),
        ("reinforce", None, "unit reinforce"),
        ("uniform", None, "synapse uniform"),
        ("uniform", "unit", "unit uniform"),
    ],
)
def test_who_is_named_chooses_the_world_and_else_it_is_the_tasks_usual_one(
    learner: str | None, world: str | None, played: str
) -> None:
    spec = preset("digits", learner, world=world)
    assert f"{spec.about['world']} {spec.about['learner']}" == played
    assert type(spec.world).__name__.lower() == f"{spec.about['world']}world"


def test_a_run_goes_on_in_the_world_it_was_begun_in(tmp_path: Path) -> None:
    spec = preset("digits", "uniform", world="unit", rounds=2, num_worlds=2, hidden=(2,), seed=3)
    fit(spec, tmp_path / "a", tell=lambda line: None)
    assert read_config(tmp_path / "a")["world"] == "unit"
    opened, read = open_run(tmp_path / "a")
    assert opened.t == 2 and read is not None and read["score_name"] == "accuracy"
    assert opened.world.task.samples.x.tobytes() == preset("digits", seed=3).world.task.x.tobytes()  # type: ignore[union-attr]


def test_a_preset_is_the_command_and_goes_on_by_its_directory(tmp_path: Path) -> None:
    spec = preset("xor", rounds=6, hidden=(2,), probes=["action-mix"])
    run, summary = fit(spec, tmp_path / "a", tell=lambda line: None)
    same, _ = fit(preset("xor", rounds=6, hidden="2", probes=["action_mix"]), tmp_path / "b", tell=lambda line: None)
    assert (run.state.weights["layer0_weight"] == same.state.weights["layer0_weight"]).all()
    opened, read = open_run(tmp_path / "a")
    assert opened.t == 6 and read is not None and read["weights_sha256"] == summary["weights_sha256"]
    assert read_config(tmp_path / "a")["probe_names"] == ["action-mix"]


def test_a_run_of_objects_is_opened_with_its_spec_alone(tmp_path: Path) -> None:
    table = jax.numpy.zeros((81, 3))
    spec = preset("xor", "q-table", rounds=2, hidden=(2,), table=table, adaptive=True)
    fit(spec, tmp_path / "a", tell=lambda line: None)
    assert "begun from objects in Python" in refused(lambda: open_run(tmp_path / "a"))
    assert open_run(tmp_path / "a", spec)[0].t == 2


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"task": "digts"}, "did you mean 'digits'?"),
        ({"learner": "trase"}, "did you mean 'trace'?"),
        ({"network": "mpl"}, "did you mean 'mlp'?"),
        ({"hiden": (3,)}, "team-q on xor has no setting hiden: the nearest is hidden."),
        ({"learner": Trace()}, "takes the learner's name, but this is a Trace"),
        ({"network": "from-module"}, "needs make, which cannot be typed"),
        ({"task": "multiplexer", "network": "mlp"}, "leave --network out"),
        ({"task": "digits", "world": "unit", "network": "mlp"}, "leave --network out"),
        ({"task": "digits", "world": "unti"}, "No world is called 'unti': did you mean 'unit'?"),
        ({"world": "unit"}, "xor is not played in worlds of unit agents, but in those of synapse and plastic agents"),
        ({"task": "digits", "learner": "trace", "world": "unit"}, "trace does not learn in worlds of unit agents"),
        ({"task": "digits", "learner": "trace", "world": "units"}, "did you mean 'unit'?"),
        ({"task": "digits", "world": "unit", "batch_size": 9}, "on digits has no setting batch_size"),
        ({"world": 3}, "takes the world's name, but this is a int"),
        ({"rounds": 0}, "rounds must be a whole number >= 1"),
        ({"rounds": 2.5}, "rounds must be a whole number >= 1"),
        ({"seed": 2**32}, "seed must be a whole number in 0 .. 4294967295"),
        ({"hidden": "a"}, "write 64,32 or none"),
        ({"probes": ["alignmnt"]}, "did you mean 'alignment'?"),
        ({"probes": [3]}, "give functions with a different __name__ each"),
        ({"probes": [lambda seen: 0.0]}, "must take (world, round), but takes (seen)"),
        ({"step_size": "linear:a:b"}, "is not a schedule"),
        ({"learner": "trace", "reward": "sign"}, "build it with reward='delta'"),
    ],
)
def test_what_cannot_be_a_preset_is_refused_in_a_sentence(given: dict[str, Any], told: str) -> None:
    assert told in refused(lambda: preset(**({"task": "xor"} | given)))


def test_a_named_network_has_the_shapes_of_the_task_and_flags_of_its_own() -> None:
    task = registry.find("tasks", "digits")()
    assert make_network("mlp", task, {"hidden": (5,), "activation": "tanh"}).sizes == (64, 5, 10)
    spec = preset("digits", network="mlp", hidden=(5,), activation="tanh", rounds=1)
    assert (spec.world.sizes, spec.world.network.activation) == ((64, 5, 10), "tanh")  # type: ignore[attr-defined]
    assert begin(0, spec.world, spec.learner).t == 0


@pytest.mark.parametrize("name", [name for name in registry.offers("learners")])
def test_every_choice_of_words_is_checked_where_an_object_is_made(name: str) -> None:
    constructor = registry.find("learners", name)
    for flag in flags.flags_of(constructor).values():
        if "Literal" in str(flag.kind):
            assert "typo" in refused(lambda flag=flag: constructor(**{flag.parameter: "typo"}))  # type: ignore[misc]
