"""The OpenAPI document of the built image, driven by schemathesis with what the server knows."""
