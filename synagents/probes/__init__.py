"""What to watch, in one round and over many.

`one_round` has the probes: functions of a world and a round, in JAX, recorded inside the compiled loop at an interval.
`many_rounds` has what no single round says: functions of what was seen in many, in NumPy, after the fact.
"""

from synagents.probes.one_round import PROBES as PROBES
from synagents.probes.one_round import Probe as Probe
from synagents.probes.one_round import Round as Round
from synagents.probes.one_round import action_autocorrelation as action_autocorrelation
from synagents.probes.one_round import action_entropy as action_entropy
from synagents.probes.one_round import action_mix as action_mix
from synagents.probes.one_round import alignment as alignment
from synagents.probes.one_round import firing_rate as firing_rate
from synagents.probes.one_round import flip_rate as flip_rate
from synagents.probes.one_round import layer_alignment as layer_alignment
from synagents.probes.one_round import modulator as modulator
from synagents.probes.one_round import occupancy as occupancy
from synagents.probes.one_round import score_variance as score_variance
from synagents.probes.one_round import step_length as step_length
from synagents.probes.one_round import trace_saturation as trace_saturation
from synagents.probes.one_round import trace_spread as trace_spread
from synagents.probes.one_round import weight_spread as weight_spread
