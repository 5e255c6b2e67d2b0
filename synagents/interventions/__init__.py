"""What if: one round again with some agents acting otherwise, all else equal (`credit`, `shapley`), and its slope."""
