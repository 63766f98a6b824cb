"""The ground floor: what llama-stack 0.3.3 has, and what of it this image ships. Nothing here changes anything."""
