"""A neural network in training as a multi-agent world: every synapse is an agent, and no gradient is needed."""
