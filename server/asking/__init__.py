"""`lianmai questions`: what counts as a question, measured and explained."""

from server.asking.command import add_arguments, run

__all__ = ["add_arguments", "run"]
