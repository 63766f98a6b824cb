"""The top floor: what this distribution does otherwise than llama-stack, one module a subject."""
