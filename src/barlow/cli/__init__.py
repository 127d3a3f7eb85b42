"""The `barlow` command: a command parses, calls one function and shows the result."""

from barlow.cli.app import app, main

__all__ = ["app", "main"]
