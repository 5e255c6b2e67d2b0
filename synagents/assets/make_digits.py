"""Write `digits.npz`: the 1,797 handwritten digits that scikit-learn ships, as bytes, the same file on each run.

Run as `python synagents/assets/make_digits.py`. NumPy dates the members of an archive 1980-01-01, so no clock enters
the file; only another zlib may pack the same arrays into other bytes.
"""

from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits


def main() -> None:
    """Write images uint8[1797, 8, 8] in 0..16 and labels uint8[1797] in 0..9 next to this script."""
    digits = load_digits()
    np.savez_compressed(
        Path(__file__).with_name("digits.npz"),
        images=digits.images.astype(np.uint8),
        labels=digits.target.astype(np.uint8),
    )


if __name__ == "__main__":
    main()
