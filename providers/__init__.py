"""The providers this distribution adds to llama-stack, and the registries that name them."""
