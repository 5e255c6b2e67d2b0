"""Networks: two pure functions each, `init(key) -> params` and `apply(params, x) -> out`; one file per kind."""
