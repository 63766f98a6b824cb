"""Python's garbage collector while the server starts, on every launch path.

A start makes 400,000 objects that stay. Looking through them again and again for garbage, of which there is next to
none, takes an eighth of the start; so the collector waits until the application is there, and looks at none of them
afterwards either.
"""

import gc


def put_off() -> None:
    """Let the collector wait, until `take_up`."""
    gc.disable()


def take_up() -> None:
    """Let the collector work again, on what is made from now on."""
    gc.freeze()
    gc.enable()
