"""What runs inside the image: the entrypoint, verification and the overlay on llama-stack's own code."""

from distribution import hooks as hooks  # before anything here imports llama-stack
