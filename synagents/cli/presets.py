"""Settings that are known to work, for every task and where needed for one learner on it: what a preset begins with.

    preset = task's settings in a world | learner's settings | those of the pair, published or measured
           | the network's on the task | given by hand

Each was measured, but for those marked as not searched; a decay without a length spans the run. A published setting is
complete: it names every setting of the learner that the task's own would give it, so that it inherits none (a test
holds it to that).
"""

from synagents.hyperparameters import Values

_LETTERS: Values = {
    "hidden": (32,),
    "batch_size": 2500,
    "interval": 250,
    "step_size": "exponential:1.5e-3:1.5e-4",
    "rounds": 60_000,
}
_CONTROL: Values = {  # for the rules without a published setting
    "hidden": (64,),
    "rounds": 100_000,
    "learning_rate": "3e-3",
    "trace_decay": 0.9,
    "critic_rate": "3e-3",
    "critic_trace_decay": 0.9,
}
# In lives: units remember nothing between rounds, so they are what a network with memory is compared with.
_FORGETFUL: Values = {"hidden": (64,), "rounds": 100_000}
# Steps per unit of gradient and small batches: neither means what it means to synapses that choose among three moves.
_PERTURBED_IMAGES: Values = {
    "hidden": (32,),
    "batch_size": 100,
    "interval": 10,
    "step_size": "exponential:2e-2:2e-3",
    "noise": 0.01,
    "rounds": 20_000,
}
_PERTURBED_TOYS: Values = {"interval": 0, "noise": 0.005, "rounds": 10_000}
_SPIKING: Values = {"units": 24, "learning_rate": "1e-2", "lives": 32}
_ASKED_IMAGES: Values = {"hidden": (64,), "num_worlds": 128, "rounds": 4_000}  # one class is named of each
_SPOKEN: Values = {  # not searched for real speech
    "hidden": (32,),
    "batch_size": 100,
    "interval": 100,
    "step_size": "exponential:2e-3:1e-4",
    "rounds": 20_000,
}
TASKS: dict[str, dict[str, Values]] = {  # by the family of the world: what is right in one says nothing in another
    "synapse": {
        "boundary": {"hidden": (8,), "interval": 0, "step_size": "0.01", "rounds": 10_000},
        "characters": {
            "length": 3,
            "hidden": (32,),
            "batch_size": 500,
            "interval": 50,
            "step_size": "exponential:5e-3:5e-4",
            "rounds": 40_000,
        },
        "chirp": _SPOKEN | {"batch_size": 500},
        "digits": {
            "hidden": (32,),
            "batch_size": 1000,
            "interval": 250,
            "step_size": "exponential:5e-3:5e-4",
            "rounds": 40_000,
        },
        "idx": _LETTERS,
        "japanese-vowels": _SPOKEN,
        "notmnist": _LETTERS,
        "perceptron": {"hidden": (), "interval": 0, "step_size": "0.01", "rounds": 10_000},
        "series": _SPOKEN,
        "xor": {"hidden": (4,), "interval": 0, "step_size": "0.01", "rounds": 10_000},
    },
    "unit": {
        "acrobot": _CONTROL,
        "cartpole": _CONTROL,
        "chirp": _ASKED_IMAGES,
        "cue": _FORGETFUL,
        "evidence-accumulation": _FORGETFUL,
        "digits": _ASKED_IMAGES,
        "idx": _ASKED_IMAGES,
        "japanese-vowels": _ASKED_IMAGES,
        "lunar-lander": _CONTROL,
        "maze": _FORGETFUL,
        "mountain-car": _CONTROL | {"temperature": 0.1},
        "multiplexer": {"hidden": (64,), "rounds": 2_000, "num_worlds": 128},
        "notmnist": _ASKED_IMAGES,
        "series": _ASKED_IMAGES,
        "spiking-cue": _FORGETFUL,
        "scalar-regression": {"hidden": (64,), "temperature": 0.1, "rounds": 2_000, "num_worlds": 128},
        "text": _FORGETFUL,
    },
    "plastic": {
        "boundary": _PERTURBED_TOYS | {"hidden": (8,), "step_size": "exponential:0.6:0.06"},
        "characters": _PERTURBED_IMAGES | {"length": 3},
        "chirp": _PERTURBED_IMAGES,
        "cue": {"rounds": 2_000},
        "evidence-accumulation": _SPIKING | {"cell": "lif-forward", "rounds": 600},
        "digits": _PERTURBED_IMAGES | {"step_size": "exponential:5e-2:5e-3"},
        "idx": _PERTURBED_IMAGES,
        "japanese-vowels": _PERTURBED_IMAGES,
        "maze": {
            "length": 100,
            "units": 50,
            "learning_rate": "7e-4",
            "clip": 4.0,
            "concentration": 0.03,
            "scale": 0.1,
            "rounds": 2_500,
        },
        "notmnist": _PERTURBED_IMAGES,
        "perceptron": _PERTURBED_TOYS | {"hidden": (), "step_size": "exponential:0.1:1e-3"},
        "series": _PERTURBED_IMAGES,
        "spiking-cue": _SPIKING | {"cell": "lif", "rounds": 2_000},
        "text": {"cell": "lstm", "units": 64, "rounds": 1_000},
        "xor": _PERTURBED_TOYS | {"hidden": (4,), "step_size": "exponential:0.3:0.03"},
    },
}
NETWORKS = {"evidence": "quantized"}  # of learners that need another than the world's own
# Of tasks with a network of another kind, by world, task and network.
ON_NETWORKS: dict[tuple[str, str, str], Values] = {
    ("synapse", "digits", "spiking"): {
        "hidden": (128,),
        "window": 3,
        "norm": "batch",
        "hidden_scale": 100.0,
        "batch_size": 500,
        "interval": 100,
        "step_size": "exponential:2e-2:5e-4",
        "rounds": 12_000,
    }
}
ROUNDS = 10_000  # where a preset does not say
LIVES = 30  # of an update of an outer loop, where a preset does not say


def recommended(task: str, learner: str, world: str, network: str | None = None) -> Values:
    """Values of settings for a learner on a task, by parameter name, and `rounds`, which every preset has.

    Args:
        task: its name; one that is unknown has no settings.
        learner: its name.
        world: the family of the world that they are for.
        network: its name, where one is named.
    """
    pair = (task, learner)
    of_task = TASKS.get(world, {}).get(task, {})
    of_pair = PUBLISHED.get(pair, {}) | MEASURED.get(pair, {})
    of_network = ON_NETWORKS.get((world, task, network or ""), {})
    return {"rounds": ROUNDS} | of_task | LEARNERS.get(learner, {}) | of_pair | of_network


def meaningless(chosen: Values, *, integer: bool = False) -> Values:
    """The settings of nudges by real numbers, None each, where there are none: what presets say of them means nothing.

    Args:
        chosen: settings by parameter name, where actions may name levels.
        integer: whether the network is of whole numbers.
    """
    return dict.fromkeys(("step_size", "bias_gain")) if integer or chosen.get("moves") == "set" else {}


# Learners that need units or wiring of their own.
_SETTLING = {"feedback": True, "sweeps": 1, "repeats": 2}
_TRACED = ("actor-critic", "double-q", "expected-sarsa", "policy-gradient", "sarsa")
LEARNERS: dict[str, Values] = {
    "backprop": {"units": "gaussian"},
    "boltzmann": _SETTLING,
    "map-propagation": {"units": "gaussian", "hidden": (64, 32)},
    "recurrent": _SETTLING,
    **{learner: {"history": "trace"} for learner in _TRACED},
    **{learner: {"history": "trace", "alpha": 0.02} for learner in ("actor-critic", "policy-gradient")},
    "team-q": {"history": "trace", "adaptive": False, "policy": "graded", "epsilon": 0.5},
    "weight-maximization": {"hidden": (64, 32)},
}


def _falling(rounds: int, *layers: tuple[float, float]) -> str:
    """Learning rates of layers that fall in a line, as the command line writes them."""
    return ",".join(f"linear:{start:g}:{stop:g}:{rounds}" for start, stop in layers)


_TRACED_DIGITS: Values = {"step_size": "exponential:1e-3:1e-4", "rounds": 20_000}
_TEAM_DIGITS: Values = {
    "batch_size": 200,
    "interval": 50,
    "step_size": "exponential:2e-3:5e-5",
    "rounds": 50_000,
}
_LEARNING_DIGITS: Values = _TEAM_DIGITS | {"batch_size": 500, "interval": 100, "rounds": 30_000}  # from zeros
_SET_DIGITS: Values = {
    "hidden": (64,),
    "batch_size": 50,
    "interval": 50,
    "epsilon": "exponential:0.1:1e-3",
    "rounds": 300_000,
}
_SET_LETTERS: Values = {
    "batch_size": 100,
    "interval": 50,
    "epsilon": "exponential:0.1:3e-3",
    "rounds": 150_000,
}
# One level of an int8 weight is about 0.008: fewer agents move, in place of a step that falls.
_WHOLE_DIGITS: Values = {"active": "exponential:0.1:3e-3", "step_size": "8e-3", "rounds": 40_000}
_WHOLE_CHARACTERS: Values = {
    "active": "exponential:0.01:1e-3",
    "epsilon": 0.05,
    "trace_shift": 9,
    "batch_size": 400,
    "interval": 5,
    "step_size": "2e-2",
    "rounds": 100_000,
}
_TRACED_LETTERS: Values = {"batch_size": 1000, "interval": 100, "step_size": "exponential:3e-4:2e-5"}
_WHOLE_LETTERS: Values = {
    "active": "exponential:0.1:3e-3",
    "batch_size": 500,
    "interval": 100,
    "step_size": "2e-3",
    "rounds": 40_000,
}
_MAP_CONTROL: Values = {"hidden": (64, 32), "variance": (0.03, 0.1), "num_worlds": 1}
_WEIGHTS_CONTROL: Values = {"hidden": (64, 32), "units": "bit", "num_worlds": 1, "trace_decay": 0.0}
PUBLISHED: dict[tuple[str, str], Values] = {
    # Chung 2020, arXiv 2010.07893 and the author's code: 4M samples of k = 5, and 1M of the regression.
    ("multiplexer", "map-propagation"): {"bits": 5, "hidden": (64, 32), "rounds": 31_250},
    ("scalar-regression", "map-propagation"): {
        "hidden": (64, 32),
        "variance": (0.0075, 0.025),
        "temperature": 0.025,
        "learning_rate": "6e-2,6e-5,6e-6",
        "rounds": 7_812,
    },
    # The same source: episodes of control, one world, a critic of the same kind; learning rates fall over 50k or 100k
    # steps. Published: 1000, 500, 500 and 2500 episodes, which these steps come to, about.
    # There a push is 2 a + 1 of a with variance 0.5; here it is the action itself, with the variance that 2 a has.
    ("cartpole", "map-propagation"): _MAP_CONTROL
    | {
        "temperature": 2.0,
        "trace_decay": 0.95,
        "critic_trace_decay": 0.95,
        "critic_variance": (0.03, 0.1, 0.1),
        "rounds": 460_000,
    }
    | {"learning_rate": _falling(50_000, (1e-2, 1e-3), (1e-5, 1e-6), (1e-6, 1e-8))}
    | {"critic_rate": _falling(50_000, (2e-2, 2e-3), (2e-5, 2e-6), (2e-6, 2e-7))},
    ("acrobot", "map-propagation"): _MAP_CONTROL
    | {
        "temperature": 4.0,
        "trace_decay": 0.97,
        "critic_trace_decay": 0.97,
        "critic_variance": (0.06, 0.2, 0.2),
        "rounds": 50_000,
    }
    | {"learning_rate": _falling(100_000, (1e-2, 1e-3), (1e-5, 1e-6), (1e-6, 1e-8))}
    | {"critic_rate": _falling(100_000, (2e-2, 2e-3), (2e-5, 2e-6), (2e-6, 2e-7))},
    ("mountain-car", "map-propagation"): _MAP_CONTROL
    | {"temperature": 2.0, "trace_decay": 0.97, "critic_trace_decay": 0.97, "critic_variance": (0.003, 0.01, 0.05)}
    | {"learning_rate": "4e-3,4e-6,4e-8", "critic_rate": "1e-2,1e-5,1e-6", "rounds": 200_000}
    | {"reward_limit": 5.0},
    ("lunar-lander", "map-propagation"): _MAP_CONTROL
    | {
        "variance": (0.06, 0.2),
        "temperature": 8.0,
        "trace_decay": 0.97,
        "critic_trace_decay": 0.97,
        "rounds": 1_700_000,
    }
    | {"critic_variance": (0.003, 0.01, 0.01), "learning_rate": "4e-3,4e-6,4e-8", "critic_rate": "1e-2,1e-5,1e-7"},
    # Chung 2020, arXiv 2010.09770 and the author's code: 1000 episodes each, a critic taught by backpropagation.
    ("cartpole", "weight-maximization"): _WEIGHTS_CONTROL
    | {"output": "unit", "critic_trace_decay": 0.8, "rounds": 390_000}
    | {"learning_rate": _falling(50_000, (2e-2, 2e-4), (2e-4, 2e-6), (2e-5, 2e-7))}
    | {"critic_rate": _falling(50_000, (4e-2, 4e-3), (4e-5, 4e-5), (4e-6, 4e-6))},
    ("acrobot", "weight-maximization"): _WEIGHTS_CONTROL
    | {"critic_trace_decay": 0.8, "critic_rate": "1e-2,1e-5,1e-6", "rounds": 100_000}
    | {"learning_rate": _falling(1_000_000, (1e-1, 1e-2), (1e-3, 1e-4), (1e-4, 1e-5))},
    ("lunar-lander", "weight-maximization"): _WEIGHTS_CONTROL
    | {"temperature": 2.0, "critic_trace_decay": 0.9, "critic_rate": "2e-2,2e-5,2e-6", "rounds": 1_800_000}
    | {"learning_rate": "8e-2,8e-4,8e-5"},
    # The same source: 800k samples of k = 4, one by one.
    ("multiplexer", "weight-maximization"): {
        "bits": 4,
        "hidden": (64, 32),
        "units": "bit",
        "output": "unit",
        "num_worlds": 1,
        "rounds": 800_000,
    },
}

# Where each world has its own question, nobody can be left out of a mean: so in control, which is played one decision
# at a time, and on images, of which a minibatch then holds twice as many.
_SETTLING_ALONE = {"baseline": "average", "control_variate": "mean-field", "repeats": 1}
# Of units on images; rates by `studies/unit_images.py --search`, the same search for every rule.
_UNITS_ON_DIGITS: dict[str, Values] = {
    "backprop": {"learning_rate": "3e-3,3e-4"},
    "boltzmann": _SETTLING_ALONE | {"learning_rate": "1e-2,1e-3"},
    "map-propagation": {"hidden": (64,), "variance": (0.3,), "learning_rate": "3e-3,3e-4"},
    "recurrent": _SETTLING_ALONE | {"learning_rate": "1e-2,1e-2"},
    "reinforce": {"learning_rate": "1e-2,1e-2"},
    "straight-through": {"learning_rate": "1e-2,1e-2"},
    "weight-maximization": {"hidden": (64,), "learning_rate": "1e-2,1e-3"},
}
_UNITS_ON_LETTERS: dict[str, Values] = {
    rule: own if rule == "map-propagation" else own | {"learning_rate": "1e-3,1e-3"}
    for rule, own in _UNITS_ON_DIGITS.items()
}
MEASURED: dict[tuple[str, str], Values] = {
    ("characters", "integer-trace"): _WHOLE_CHARACTERS,
    ("cue", "neuromodulated"): {"rounds": 1_500},
    ("multiplexer", "boltzmann"): {"output": "unit"},
    ("multiplexer", "recurrent"): {"output": "unit"},
    **{
        (task, learner): {"step_size": "exponential:2e-2:2e-4"}
        for task in ("boundary", "perceptron")
        for learner in ("trace", "team-q")
    },
    ("digits", "evidence"): _SET_DIGITS,
    **{(task, "evidence"): _SET_LETTERS for task in ("idx", "notmnist")},
    ("digits", "integer-trace"): _WHOLE_DIGITS,
    ("digits", "trace"): _TRACED_DIGITS,
    ("digits", "team-q"): _TEAM_DIGITS,
    **{(task, "integer-trace"): _WHOLE_LETTERS for task in ("idx", "notmnist")},
    **{(task, "trace"): _TRACED_LETTERS for task in ("idx", "notmnist")},
    **{(task, "team-q"): _TRACED_LETTERS | {"batch_size": 500} for task in ("idx", "notmnist")},
    ("cartpole", "boltzmann"): _SETTLING_ALONE | {"output": "unit"},
    ("cartpole", "recurrent"): _SETTLING_ALONE | {"output": "unit"},
    **{
        (task, learner): _SETTLING_ALONE
        for task in ("acrobot", "lunar-lander", "cue", "evidence-accumulation", "maze", "spiking-cue", "text")
        for learner in ("boltzmann", "recurrent")
    },
    **{("digits", learner): _LEARNING_DIGITS for learner in _TRACED},
    **{("digits", rule): own for rule, own in _UNITS_ON_DIGITS.items()},
    **{(task, rule): own for task in ("idx", "notmnist") for rule, own in _UNITS_ON_LETTERS.items()},
}
