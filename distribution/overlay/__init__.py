"""The top floor: what this distribution does otherwise than llama-stack 0.3.3, one module a subject."""
