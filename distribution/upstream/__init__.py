"""The ground floor: what the pinned llama-stack has, and what of it this image ships. Nothing here changes anything."""
