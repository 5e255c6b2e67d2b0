import inspect
import re
import typing
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces

from synagents import registry
from synagents.cli.build import learners_of, preset
from synagents.envs import synapse_v0, unit_v0
from synagents.loop import advance, begin, evaluate
from synagents.rounds import Keys, play
from synagents.run import checkpoints
from synagents.world import (
    DecisionTask,
    LifeTask,
    MemoryLearner,
    Task,
    Transition,
    World,
    agent_ids,
    flat,
    observe_all,
    turns_of,
)
from tests.claims import READ_FILES, refused, same_bits
from tests.test_data import write_pair
from tests.test_series import write_ts

KEY = jax.random.key(0)
NEEDED: dict[str, dict[str, Any]] = {  # the least that a constructor asks for; a new file rarely needs a line
    "mlp": {"sizes": (4, 3, 2)},
    "integer-mlp": {"sizes": (4, 3, 2)},
    "integer-recurrent": {"in_shape": (2, 2), "out_size": 2, "units": 3},
    "recurrent": {"in_shape": (2, 2), "out_size": 2, "units": 3},
    "quantized": {"sizes": (4, 3, 2)},
    "spiking": {"in_shape": (4,), "out_size": 2, "hidden": (3,)},
    "from-module": {"make": lambda key: eqx.nn.MLP(4, 2, 3, 1, key=key), "in_shape": (4,)},
    "digits": {"batch_size": 32},
    "notmnist": {"batch_size": 32},
    "idx": {"batch_size": 32},
    "series": {"batch_size": 32},
    "japanese-vowels": {"batch_size": 32},
}
LEARNERS, NETWORKS, TASKS = (list(registry.offers(kind)) for kind in ("learners", "networks", "tasks"))
SCORING = [name for name in TASKS if issubclass(registry.task_kind(name), Task)]  # they score outputs
DECIDING = [name for name in TASKS if issubclass(registry.task_kind(name), DecisionTask)]  # they answer actions
GUESSED = [name for name in SCORING if "unit" in registry.players(name)]  # samples with classes, asked one by one


def test_every_file_of_the_folders_is_held_to_this_table() -> None:
    assert {"q-table", "repeat-undo", "uniform"} <= set(LEARNERS)
    assert {"from-module", "mlp"} <= set(NETWORKS)
    assert {"boundary", "digits", "idx", "notmnist", "perceptron", "xor"} <= set(TASKS)
    for kind, names in (("learners", LEARNERS), ("networks", NETWORKS), ("tasks", TASKS)):
        modules = {inspect.getmodule(registry.find(kind, name)) for name in names}
        folder = Path(registry.__file__).with_name(kind)
        offering = {path for path in folder.rglob("*.py") if re.search(r"^__all__ = ", path.read_text(), re.MULTILINE)}
        assert {Path(str(module.__file__)) for module in modules if module} == offering and offering


@pytest.mark.parametrize(
    ("kind", "name"),
    [("learners", n) for n in LEARNERS] + [("networks", n) for n in NETWORKS] + [("tasks", n) for n in TASKS],
)
def test_what_is_offered_says_what_it_is_and_its_module_gives_an_equation_or_a_source(kind: str, name: str) -> None:
    constructor = registry.find(kind, name)
    module = inspect.getmodule(constructor)
    assert module and module.__doc__ and constructor.__doc__
    assert re.search(r" = |<-|\+=", module.__doc__) or re.search(r"(19|20)\d\d", module.__doc__)
    bases = inspect.getmro(constructor) if isinstance(constructor, type) else ()
    documented = constructor.__doc__ + (module.__doc__ or "") + "".join(base.__doc__ or "" for base in bases)
    for parameter in inspect.signature(constructor).parameters:
        assert f"{parameter}:" in documented, f"{name} does not say what {parameter} means"


# Learners: each in every world that its file says it is made for, and refused by every other

FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {  # a small example of each world: a task and settings
    "synapse": ("xor", {"hidden": (), "step_size": "0.05", "interval": 0}),
    "unit": ("multiplexer", {"bits": 1, "hidden": (3, 2)}),
    "plastic": ("cue", {"units": 3, "length": 6}),
}
OTHER: dict[str, tuple[str, dict[str, Any]]] = {  # of learners whose world of their family is another than the example
    "perturbation": ("xor", {"hidden": (), "interval": 0}),
    "evidence": ("xor", {"hidden": (), "interval": 0}),
}
assert set(FAMILIES) == set(registry.worlds())
AT_HOME = [
    (name, family)
    for name in LEARNERS
    for family in registry.families(name)
    if name in learners_of(OTHER.get(name, FAMILIES[family])[0], family)  # one of all families may refuse some actions
]
ABROAD = [(name, world) for name in LEARNERS for world in FAMILIES if (name, world) not in AT_HOME]


def at_home(name: str, family: str, **options: Any) -> tuple[World, Any]:
    """A learner's usual settings in a small world of a family, as the command line would build them."""
    task, small = OTHER.get(name, FAMILIES[family])
    known = {"adaptive": True} if name == "q-table" else {}
    spec = preset(task, name, world=family, rounds=10, **small, **known, **options)
    return spec.world, spec.learner


def shapes(tree: Any) -> Any:
    return [(x.shape, x.dtype) for x in jax.tree.leaves(jax.eval_shape(lambda: tree))]


def acting(learner: Any, mind: Any, memory: Any, obs: Any, turn: int) -> tuple[Any, Any]:
    """What a learner of either kind does in a turn, and its memory afterwards."""
    if isinstance(learner, MemoryLearner):
        actions, memory, _ = learner.act(KEY, mind, memory, obs, 0, turn)
        return actions, memory
    return learner.act(KEY, mind, obs, 0, turn)[0], memory


def fresh_memory(learner: Any, mind: Any, world: World) -> Any:
    return learner.begin_world(KEY, mind, world.groups) if isinstance(learner, MemoryLearner) else ()


@pytest.mark.parametrize(("name", "family"), AT_HOME)
def test_a_learner_acts_for_every_agent_within_its_action_space(name: str, family: str) -> None:
    world, learner = at_home(name, family)
    state, mind = world.reset(KEY), learner.init(KEY, world.groups)
    memory, acted = fresh_memory(learner, mind, world), set()
    for turn in turns_of(world.groups):
        seen = world.observe(state, turn)
        again, _ = acting(learner, mind, memory, seen, turn)
        actions, memory = acting(learner, mind, memory, seen, turn)
        assert set(actions) == {group.name for group in world.groups if turn in group.turns}
        for group in world.groups:
            if group.name in actions:
                chosen = np.asarray(actions[group.name])
                assert chosen.shape == (group.size,)
                assert chosen.dtype == (np.uint8 if isinstance(group.action_space, spaces.Discrete) else np.float32)
                assert all(group.action_space.contains(np.asarray(action)) for action in chosen)
        assert same_bits(actions, again)
        state, acted = world.move(state, actions, 0, turn), acted | set(actions)
    assert acted == {group.name for group in world.groups}


@pytest.mark.parametrize(("name", "family"), AT_HOME)
@pytest.mark.parametrize(("rounds", "worlds"), [(1, 1), (2, 4)])
def test_a_learners_update_keeps_structure_shapes_and_types_of_mind_and_memory(
    name: str, family: str, rounds: int, worlds: int
) -> None:
    world, learner = at_home(name, family)

    def many(tree: Any, *axes: int) -> Any:
        return jax.tree.map(lambda x: jnp.broadcast_to(x, (*axes, *x.shape)), tree)

    def live() -> tuple[Any, ...]:
        mind = learner.init(KEY, world.groups)
        memory = fresh_memory(learner, mind, world)
        after, kept, (seen, _) = play(world, learner, Keys(KEY, KEY), world.reset(KEY), memory, mind, 0)
        reward = {group.name: jnp.ones((rounds, worlds), jnp.float32) for group in world.groups}
        never = jnp.zeros((rounds, worlds), bool)
        lived = many((seen.obs, seen.actions, seen.extras), rounds, worlds)
        transition, last_obs = Transition(*lived, reward, never, never), many(observe_all(world, after), worlds)
        if isinstance(learner, MemoryLearner):
            return (mind, many(kept, worlds)), learner.update(
                KEY, mind, many(kept, worlds), transition, last_obs, jnp.uint32(0)
            )
        later, metrics = learner.update(KEY, mind, transition, last_obs, jnp.uint32(0))
        return (mind, ()), (later, (), metrics)

    (mind, memory), (later, kept, metrics) = jax.eval_shape(live)
    for one, other in ((mind, later), (memory, kept)):
        assert jax.tree.structure(one) == jax.tree.structure(other)
        assert [(x.shape, x.dtype) for x in jax.tree.leaves(one)] == [
            (x.shape, x.dtype) for x in jax.tree.leaves(other)
        ]
    assert all(value.shape == () for value in metrics.values())


@pytest.mark.parametrize(("name", "family"), AT_HOME)
@pytest.mark.parametrize(("worlds", "rollout_length"), [(1, 1), (4, 2)])
def test_a_learner_lives_in_the_loop_and_the_same_key_is_the_same_life(
    name: str, family: str, worlds: int, rollout_length: int
) -> None:
    world, learner = at_home(name, family)
    run = begin(KEY, world, learner, num_worlds=max(worlds, world.repeats))
    one, history = advance(run, 10 * rollout_length, rollout_length=rollout_length)
    assert history.reward.shape == (1, 10 * rollout_length, run.num_worlds)
    assert all(values.shape == (1, 10) and np.isfinite(values).all() for values in history.metrics.values())
    assert np.isfinite(history.info["loss"]).all()
    other, _ = advance(run, 10 * rollout_length, rollout_length=rollout_length)
    assert same_bits((one.state, one.memory, one.mind), (other.state, other.memory, other.mind))


@pytest.mark.parametrize(("name", "family"), AT_HOME)
def test_a_life_goes_on_from_a_file_as_it_would_have_gone_on(name: str, family: str, tmp_path: Path) -> None:
    world, learner = at_home(name, family)
    birth = begin(KEY, world, learner, num_worlds=world.repeats)
    run, _ = advance(birth, 10)
    checkpoints.save(run, tmp_path / "run")
    loaded = checkpoints.load(tmp_path / "run", birth)
    assert same_bits((run.state, run.memory, run.mind), (loaded.state, loaded.memory, loaded.mind))
    (ours, _), (theirs, _) = advance(run, 10), advance(loaded, 10)
    assert same_bits((ours.state, ours.memory, ours.mind), (theirs.state, theirs.memory, theirs.mind))


@pytest.mark.parametrize(("name", "family"), AT_HOME)
def test_a_mind_is_evaluated_on_both_parts_and_its_weights_are_found(name: str, family: str) -> None:
    world, learner = at_home(name, family)
    run = begin(KEY, world, learner, num_worlds=2)
    for part in ("train", "held_out"):
        metrics = evaluate(run, part)
        assert "loss" in metrics and set(metrics) <= {"loss", "accuracy"}
        assert all(values.shape == (1, 2) and np.isfinite(values).all() for values in metrics.values())
        assert same_bits(metrics, evaluate(run, part))
    owned = jax.eval_shape(world.weights, jax.tree.map(lambda x: x[0, 0], run.state))
    learned = jax.eval_shape(learner.weights, jax.tree.map(lambda x: x[0], run.mind))
    assert bool(owned) == (world.weights_in == "state")
    assert not (owned and learned) and (bool(learned) or world.weights_in == "state" or name == "uniform")


@pytest.mark.parametrize(("name", "family"), AT_HOME)
def test_a_learner_and_a_world_keep_their_types_where_jax_prefers_64_bits(name: str, family: str) -> None:
    def live() -> tuple[Any, ...]:
        world, learner = at_home(name, family)
        run, history = advance(begin(0, world, learner, num_worlds=world.repeats), 4, rollout_length=2)
        return run.state, run.memory, run.mind, history.reward, history.info, evaluate(run)

    with jax.enable_x64(True):
        lived = jax.eval_shape(live)  # whatever changes its type in a round is refused here
    assert not {str(leaf.dtype) for leaf in jax.tree.leaves(lived)} & {"float64", "int64"}


@pytest.mark.parametrize(("name", "family"), ABROAD)
def test_a_learner_refuses_a_world_it_is_not_made_for_in_one_sentence(name: str, family: str) -> None:
    _, learner = at_home(name, next(home for own, home in AT_HOME if own == name))
    native = next(other for other in LEARNERS if family in registry.families(other) and other != "uniform")
    world, _ = at_home(native, family)
    refused(lambda: learner.init(KEY, world.groups))
    task, _ = FAMILIES[family]
    if name not in learners_of(task):  # else it plays the task in another world
        assert f"{name} does not fit" in refused(lambda: preset(task, name))


def literals() -> list[tuple[str, str, str]]:
    """Every parameter of everything that is offered whose annotation is a Literal."""
    found = []
    for kind in ("learners", "networks", "tasks"):
        for name in registry.offers(kind):
            constructor = registry.find(kind, name)
            hints = typing.get_type_hints(constructor.__init__ if isinstance(constructor, type) else constructor)
            found += [(kind, name, own) for own, hint in hints.items() if typing.get_origin(hint) is typing.Literal]
    return found


@pytest.mark.parametrize(("kind", "name", "parameter"), literals())
def test_a_word_that_a_literal_does_not_name_is_refused_where_the_object_is_made(
    kind: str, name: str, parameter: str
) -> None:
    constructor = registry.find(kind, name)
    known = {"q-table": {"adaptive": True}}.get(name, {}) | NEEDED.get(name, {})
    asked = inspect.signature(constructor).parameters  # a learner and a network may have one name
    known = {own: value for own, value in known.items() if own in asked}
    assert "banana" in refused(lambda: constructor(**known, **{parameter: "banana"}))


# Networks


def network_of(name: str) -> Any:
    return registry.find("networks", name)(**NEEDED.get(name, {}))


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_is_two_pure_functions_over_named_arrays(name: str) -> None:
    network = network_of(name)
    params = network.init(KEY)
    assert all(re.fullmatch(r"[a-z0-9_]+", group) for group in params)
    kind = jnp.int8 if network.integer else jnp.float32
    assert all(array.dtype == kind and array.size for array in params.values())
    assert same_bits(params, network.init(KEY)) and not same_bits(params, network.init(jax.random.key(1)))
    out = network.apply(params, jnp.ones((5, 4), kind))
    assert out.shape == (5, 2) and np.isfinite(out).all()
    assert out.dtype == (jnp.int32 if network.integer else jnp.float32)
    assert same_bits(out, network.apply(params, jnp.ones((5, 4), kind)))


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_treats_the_samples_of_a_batch_alike_and_apart_unless_it_says_that_it_normalises(name: str) -> None:
    network = network_of(name)
    params, x = network.init(KEY), jax.random.normal(KEY, (5, 4))
    x = (40 * x).astype(jnp.int8) if network.integer else x
    together = network.apply(params, x)
    np.testing.assert_allclose(network.apply(params, x[::-1])[::-1], together, rtol=1e-5, atol=1e-6)
    apart = jnp.concatenate([network.apply(params, x[i : i + 1]) for i in range(5)])
    assert np.allclose(together, apart, rtol=1e-5, atol=1e-6) != network.normalises


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_may_have_the_weights_it_begins_with_and_its_levels(name: str) -> None:
    network = network_of(name)
    params = network.init(KEY)
    assert same_bits(network.project(params), params)
    levels = network.levels()
    assert set(levels) in (set(), set(params))
    for group, own in levels.items():
        every = {**params, group: jnp.broadcast_to(own.at(jnp.arange(own.size))[0], params[group].shape)}
        np.testing.assert_allclose(network.project(every)[group], every[group], rtol=1e-6)
        assert own.nearest(own.at(jnp.arange(own.size))).tolist() == list(range(own.size))


SIZED = [name for name in NETWORKS if "sizes" in inspect.signature(registry.find("networks", name)).parameters]


@pytest.mark.parametrize("name", SIZED)
@pytest.mark.parametrize("sizes", [(), (4,), (0, 2), (4, 0, 2), (4, -1)])
def test_a_network_without_units_is_refused_in_one_sentence(name: str, sizes: tuple[int, ...]) -> None:
    refused(lambda: registry.find("networks", name)(**{**NEEDED.get(name, {}), "sizes": sizes}))


# Tasks that score outputs


@pytest.fixture(scope="session")
def task_of(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("mine")
    pixels = np.random.default_rng(0).integers(0, 256, (60, 4, 3)).astype(np.uint8)
    write_pair(folder, "train", pixels, np.arange(60, dtype=np.uint8) % 3)
    write_ts(folder, "JapaneseVowels", 60)
    made: dict[str, Any] = {}

    def make(name: str) -> Any:
        options = dict(NEEDED.get(name, {}))
        if name in READ_FILES:
            options["data"] = folder
        if name == "notmnist":
            options["data"] = request.getfixturevalue("notmnist_folder")
        if name not in made:
            made[name] = registry.find("tasks", name)(**options)
        return made[name]

    return make


@pytest.mark.parametrize("name", SCORING)
def test_a_tasks_stimulus_fits_its_shape_and_it_answers_with_the_loss(name: str, task_of: Any) -> None:
    task = task_of(name)
    state = task.init(KEY)
    x = task.stimulus(state)
    assert x.shape[1:] == task.in_shape and x.dtype == jnp.float32 and np.isfinite(x).all()
    out = jax.random.normal(KEY, (len(x), task.out_size))
    after, loss = task.respond(KEY, state, out)
    assert loss.shape == () and np.isfinite(loss)
    np.testing.assert_allclose(loss, task.loss(out, state[1]), rtol=1e-6)
    assert same_bits(after, state)  # no new batch is drawn in here


@pytest.mark.parametrize("name", SCORING)
def test_a_task_answers_a_right_output_with_a_lower_loss_than_a_wrong_one(name: str, task_of: Any) -> None:
    task = task_of(name)
    state = task.init(KEY)
    target = state[1]
    if jnp.issubdtype(target.dtype, jnp.integer):
        right = 5 * jax.nn.one_hot(target, task.out_size)
    else:
        right = target
    assert task.respond(KEY, state, right)[1] < task.respond(KEY, state, -right)[1]


@pytest.mark.parametrize("name", SCORING)
def test_a_task_is_drawn_from_its_key_and_keeps_its_structure_when_refreshed(name: str, task_of: Any) -> None:
    task = task_of(name)
    state = task.init(KEY)
    assert same_bits(state, task.init(KEY))
    fresh = task.refresh(jax.random.key(1), state)
    assert shapes(fresh) == shapes(state)
    assert same_bits(fresh, task.refresh(jax.random.key(1), state))


@pytest.mark.parametrize("name", SCORING)
def test_a_task_is_evaluated_on_both_parts_by_the_metrics_that_exist(name: str, task_of: Any) -> None:
    task = task_of(name)
    state = task.init(KEY)
    wrong = jnp.zeros((math_prod(task.in_shape), task.out_size))
    for part in ("train", "held_out"):
        metrics = task.evaluate(state, lambda x: x.reshape(len(x), -1) @ wrong, part)
        assert "loss" in metrics and set(metrics) <= {"loss", "bits", "accuracy"}
        assert all(value.shape == () and np.isfinite(value) for value in metrics.values())
        assert 0 <= metrics.get("accuracy", 0) <= 1
    assert ("accuracy" in metrics) == (name not in ("perceptron",))


@pytest.mark.parametrize("name", SCORING)
def test_a_world_of_synapses_can_be_made_of_every_task_that_scores(name: str, task_of: Any) -> None:
    world = synapse_v0.world(task_of(name), hidden=(2,))
    state = jax.eval_shape(world.reset, KEY)
    assert state.loss.shape == ()


def math_prod(shape: tuple[int, ...]) -> int:
    return int(np.prod(shape))


# Tasks that answer decisions


def deciding(task: Any) -> Any:
    """A task as a world of units has it."""
    return unit_v0.world(task, hidden=()).task


def decision(task: Any) -> jax.Array:
    """An action of the middle."""
    discrete = isinstance(task.action_space, spaces.Discrete)
    return jnp.int32(0) if discrete else jnp.zeros(task.action_space.shape)


@pytest.mark.parametrize("name", DECIDING + GUESSED)
def test_a_task_of_decisions_answers_every_action_and_asks_the_next_question(name: str, task_of: Any) -> None:
    task = deciding(task_of(name))
    state = task.init(KEY)
    x = task.stimulus(state)
    assert x.shape == task.in_shape and x.dtype == jnp.float32 and np.isfinite(x).all()
    after, answer = task.respond(jax.random.key(1), state, decision(task))
    assert shapes(after) == shapes(state)
    assert [part.shape for part in answer] == [()] * 3 and np.isfinite(answer.reward)
    assert [part.dtype for part in answer] == [jnp.float32, bool, bool]


@pytest.mark.parametrize("name", DECIDING + GUESSED)
def test_a_task_of_decisions_is_drawn_from_its_key(name: str, task_of: Any) -> None:
    task = deciding(task_of(name))
    state = task.init(KEY)
    assert same_bits(state, task.init(KEY)) and not same_bits(state, task.init(jax.random.key(1)))
    one, other = (task.respond(jax.random.key(1), state, decision(task)) for _ in range(2))
    assert same_bits(one, other)


@pytest.mark.parametrize("name", DECIDING + GUESSED)
def test_a_world_of_units_can_be_made_of_every_task_that_answers(name: str, task_of: Any) -> None:
    world = unit_v0.world(task_of(name), hidden=(2,))
    state = world.reset(KEY)
    for turn in turns_of(world.groups):
        acting = [group for group in world.groups if turn in group.turns]
        dtypes = {g.name: np.uint8 if isinstance(g.action_space, spaces.Discrete) else np.float32 for g in acting}
        state = world.move(state, {g.name: np.zeros(g.size, dtypes[g.name]) for g in acting}, 0, turn)
    after, outcome = world.resolve(KEY, state)
    assert shapes(after) == shapes(state) and {"loss", "returns", "episodes"} == set(outcome.info)


@pytest.mark.parametrize("name", [name for name in TASKS if name not in GUESSED])
def test_a_world_refuses_a_task_of_the_other_kind_in_one_sentence(name: str, task_of: Any) -> None:
    wrong = unit_v0 if name in SCORING else synapse_v0
    assert "synagents.envs." in refused(lambda: wrong.world(task_of(name)))


@pytest.mark.parametrize("name", TASKS)
def test_the_usual_world_of_a_task_is_the_one_made_for_its_kind_and_all_that_are_named_play_it(
    name: str, task_of: Any
) -> None:
    families = registry.players(name)
    lives = issubclass(registry.task_kind(name), LifeTask)
    assert families[0] == ("synapse" if name in SCORING else "plastic" if lives else "unit")
    for family in families:
        small = {"units": 2} if registry.how_played(name, family).outer else {"hidden": (2,)}
        assert registry.worlds()[family].world(task_of(name), **small).groups


# Worlds


def test_a_worlds_groups_are_named_and_sized_as_its_weights() -> None:
    world = synapse_v0.world("xor", hidden=(3,))
    assert [(g.name, g.shape, g.size) for g in world.groups] == [
        ("layer0_weight", (2, 3), 6),
        ("layer0_bias", (3,), 3),
        ("layer1_weight", (3, 2), 6),
        ("layer1_bias", (2,), 2),
    ]
    assert all(re.fullmatch(r"[a-z0-9_]+", group.name) for group in world.groups)


def test_agents_are_named_by_group_and_row_major_index_in_flat_order() -> None:
    world = synapse_v0.world("xor", hidden=())
    assert agent_ids(world.groups) == [f"layer0_weight_{i}" for i in range(4)] + ["layer0_bias_0", "layer0_bias_1"]
    weights = {"layer0_weight": jnp.arange(4.0).reshape(2, 2), "layer0_bias": jnp.array([8.0, 9.0])}
    assert flat(weights, world.groups).tolist() == [0, 1, 2, 3, 8, 9]


def test_a_network_of_eleven_layers_keeps_its_groups_in_the_order_of_layers() -> None:
    world = synapse_v0.world("xor", hidden=(1,) * 10)
    assert [group.name for group in world.groups][-2:] == ["layer10_weight", "layer10_bias"]


@pytest.mark.parametrize("memory", [1, 2, 3])
def test_what_a_synapse_sees_lies_in_its_space_from_birth_on(memory: int) -> None:
    world = synapse_v0.world("xor", hidden=(), memory=memory, step_size=0.1)
    state = world.reset(KEY)
    for t in range(4):
        for group in world.groups:
            seen = np.asarray(world.observe(state)[group.name])
            assert seen.shape == (group.size,)
            assert all(group.obs_space.contains(code) for code in seen)
        actions = {group.name: jnp.full(group.size, t % 3, jnp.uint8) for group in world.groups}
        state, _ = world.resolve(jax.random.key(t), world.move(state, actions, t))


@pytest.mark.parametrize(("name", "family"), AT_HOME)
def test_observing_is_a_read(name: str, family: str) -> None:
    world, _ = at_home(name, family)
    state = world.reset(KEY)
    before = [np.array(x) for x in jax.tree.leaves(state)]
    assert same_bits(world.observe(state, 0), world.observe(state, 0))
    assert same_bits(before, jax.tree.leaves(state))
