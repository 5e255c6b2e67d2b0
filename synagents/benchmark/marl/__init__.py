"""Deep multi-agent reinforcement learning for worlds of alike agents: one algorithm a file, parameters shared by all.

Every algorithm is a learner like any other (`synagents.world.Learner`), so one loop plays them all: a rollout is the T
rounds of W worlds that `advance(run, rounds, rollout_length=T)` hands to `update`.
"""
