"""Networks: two pure functions each, `init(key) -> params` and `apply(params, x) -> out`; one file per kind.

The command line builds a network by its name from the shapes of the task: it gives the parameters `in_shape`,
`out_size` and `sizes` of the constructor, whichever there are, and all others are flags. `sizes` is (numbers in a
sample, *hidden, out_size), and has a flag `--hidden`.
"""
