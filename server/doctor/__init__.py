"""`lianmai doctor`: what is missing or slow on this machine, and how to mend it."""

from server.doctor.command import add_arguments, run

__all__ = ["add_arguments", "run"]
