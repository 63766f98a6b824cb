"""llama-stack's generated routes, for those who put routes of their own in front of them."""

from fastapi import FastAPI
from fastapi.routing import APIRoute


def routes_of(app: FastAPI, method: str) -> list[APIRoute]:
    """Return the routes that llama-stack has made of a method of its APIs, such as `openai_upload_file`."""
    return [route for route in app.routes if isinstance(route, APIRoute) and route.endpoint.__name__ == method]
