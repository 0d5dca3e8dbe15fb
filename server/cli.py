"""The command line: finds the command, and turns expected errors into one sentence.

Exit codes: 0 done; 1 it failed, for the reason printed; 2 wrong usage or settings.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Final

from server.commands import COMMANDS, Command, version
from server.errors import UserError

INTERRUPTED: Final = 130
"""What shells expect after Ctrl-C (128 + SIGINT)."""
_MORE: Final = """\
start here:
  lianmai demo                         a live room on this machine, with links to click
  lianmai doctor                       what is missing or slow here
  lianmai COMMAND --help               flags and examples of a command
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the return value is the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    known = {command.name: command for command in COMMANDS}
    if not arguments or arguments[0] not in known:
        return _without_command(arguments)
    try:
        return _run(known[arguments[0]], arguments[1:])
    except UserError as error:
        print(f"lianmai {arguments[0]}: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # `lianmai defaultconfig | head`: nobody reads any more, and nothing is wrong.
        sys.stderr.close()
        return 0


def _run(command: Command, arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog=f"lianmai {command.name}",
        description=f"{command.summary[0].upper()}{command.summary[1:]}.",
        epilog=command.examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    run = command.prepare(parser)
    return run(parser.parse_args(arguments))


def _without_command(arguments: list[str]) -> int:
    """`--help`, `--version`, nothing, or a word that is no command."""
    parser = argparse.ArgumentParser(
        prog="lianmai",
        description="Realtime backend of live-commerce rooms.",
        epilog=_MORE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"lianmai {version()}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for command in COMMANDS:
        commands.add_parser(command.name, help=command.summary)
    parser.parse_args(arguments)
    parser.print_help()
    return 2


if __name__ == "__main__":
    sys.exit(main())
