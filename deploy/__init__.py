"""How the image is deployed. Only `update` is code."""
