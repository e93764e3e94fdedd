"""The entry of the console script and of `python -m clew`: it also takes Ctrl-C while the command line is loaded."""

from __future__ import annotations

__all__ = ["main"]


def main() -> int:
    """Run the command line of this process; see `clew.cli.main.main`."""
    try:
        from clew.cli.main import main as command_line
    except KeyboardInterrupt:
        return 130
    return command_line()


if __name__ == "__main__":
    raise SystemExit(main())
