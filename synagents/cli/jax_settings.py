"""What the environment says to JAX, as far as a command must heed or mend it.

The command line computes what it would compute without JAX_NUMPY_DTYPE_PROMOTION and JAX_TRANSFER_GUARD, which look for
slips in one's own code; JAX_PLATFORMS is heeded, and explained where it cannot be.
"""

import os


def prepare_jax() -> None:
    """Start JAX; ValueError, naming the variable, where it cannot do what the environment says."""
    import jax

    jax.config.update("jax_numpy_dtype_promotion", "standard")
    jax.config.update("jax_transfer_guard", "allow")
    try:
        jax.devices()
    except (RuntimeError, AssertionError) as error:  # the second where a platform has no plugin
        asked = os.environ.get("JAX_PLATFORMS")
        if not asked:
            reason = " ".join(str(error).split()).rstrip(".")
            raise ValueError(f"JAX finds no device to compute on ({reason}): set JAX_PLATFORMS=cpu.") from error
        raise ValueError(
            f"JAX_PLATFORMS is {asked!r}, which JAX cannot use on this machine: unset it, or set JAX_PLATFORMS=cpu."
        ) from error
