"""`clew completion`: the script that a shell reads to complete commands, and the answer to its questions."""

from __future__ import annotations

import os

import click

from clew.cli.command import command

__all__ = ["complete_if_asked", "completion"]

_QUESTION = "_CLEW_COMPLETE"


def complete_if_asked(root: click.Command) -> None:
    """End the process with completions when the environment asks for them (that is how a shell's script calls)."""
    question = os.environ.get(_QUESTION)
    if question:
        from click.shell_completion import shell_complete

        raise SystemExit(shell_complete(root, {}, "clew", _QUESTION, question))


@command(
    "completion",
    examples=[
        ('eval "$(clew completion bash)"', "complete in this shell; put the line into ~/.bashrc to keep it"),
        ("clew completion fish > ~/.config/fish/completions/clew.fish", "the same for fish"),
    ],
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(*, shell: str, as_json: bool) -> None:
    """Print the completion script of a shell."""
    from click.shell_completion import get_completion_class

    from clew.cli import main, output

    completer = get_completion_class(shell)
    if completer is None:
        raise click.UsageError(f"no completion for {shell}")
    output.text(completer(main.root, {}, "clew", _QUESTION).source(), as_json=as_json)
