"""The root command: its table, its headings, what it imports, how fast it is."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from clew import __version__
from clew.cli.command import Command, Group
from clew.cli.main import COMMANDS, SECTIONS, main, root

HEAVY = {"polars", "sklearn", "numpy", "pandas", "onnxruntime", "granian", "rich", "scipy", "sqlite3", "msgspec"}


def leaves() -> list[tuple[str, click.Command]]:
    """Every command with its full name."""
    found: list[tuple[str, click.Command]] = []

    def walk(name: str, command: click.Command) -> None:
        found.append((name, command))
        if isinstance(command, click.Group):
            for child_name, child in command.commands.items():
                walk(f"{name} {child_name}", child)

    context = click.Context(root)
    for name in COMMANDS:
        command = root.get_command(context, name)
        assert command is not None
        walk(name, command)
    return found


def modules_after(*words: str) -> set[str]:
    code = (
        "import sys; from clew.cli.main import main\n"
        f"code = main({list(words)!r})\n"
        "print('\\n' + ' '.join(sys.modules)); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("words", [["--version"], ["--help"]])
def test_the_root_imports_nothing_heavy_and_no_command(words: list[str]) -> None:
    modules = modules_after(*words)
    assert not modules & HEAVY
    assert {name for name in modules if name.startswith("clew.cli.")} <= {
        "clew.cli.main",
        "clew.cli.command",
        "clew.cli.errors",
        "clew.cli.completion",
    }


def test_version() -> None:
    assert CliRunner().invoke(root, ["--version"]).output == f"clew {__version__}\n"


def test_help_groups_all_commands_under_their_headings() -> None:
    output = CliRunner().invoke(root, ["--help"]).output
    used = [section for section in SECTIONS if any(row.section == section for row in COMMANDS.values())]
    positions = [output.index(f"\n{section}:\n") for section in used]
    assert positions == sorted(positions)
    for name, row in COMMANDS.items():
        assert f"\n  {name} " in output
        assert row.help.split()[0] in output


def test_every_row_has_a_known_heading() -> None:
    assert {row.section for row in COMMANDS.values()} <= set(SECTIONS)


def test_every_command_has_help_an_example_and_json() -> None:
    for name, command in leaves():
        assert command.help, f"clew {name} has no help"
        assert isinstance(command, Command | Group), f"clew {name} was not made with clew.cli.command"
        assert command.examples, f"clew {name} has no example"
        for line, purpose in command.examples:
            assert "clew " in line, f"an example of clew {name} does not call clew: {line}"
            assert purpose, f"an example of clew {name} does not say what it is for: {line}"
        if not isinstance(command, click.Group):
            assert any("--json" in parameter.opts for parameter in command.params), f"clew {name} has no --json"


def test_every_option_has_help() -> None:
    for name, command in leaves():
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, f"clew {name}: {parameter.name} has no help"


def test_the_table_and_the_commands_say_the_same() -> None:
    context = click.Context(root)
    for name, row in COMMANDS.items():
        command = root.get_command(context, name)
        assert command is not None
        assert command.name == name
        assert (command.help or "").splitlines()[0].rstrip(".") == row.help


def test_examples_stand_below_the_options() -> None:
    output = CliRunner().invoke(root, ["completion", "--help"]).output
    assert output.index("Options:") < output.index("Examples:") < output.index('eval "$(clew completion bash)"')


def test_no_list_of_commands_cuts_a_sentence() -> None:
    for name, command in leaves():
        if isinstance(command, click.Group):
            output = CliRunner().invoke(root, [*name.split(), "--help"], terminal_width=80).output
            listed = output.partition("Commands:\n")[2]
            assert listed
            assert [line for line in listed.splitlines() if line.endswith("...")] == [], f"clew {name}"


def test_an_unknown_command_is_met_with_a_guess(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["completoin"]) == 2
    out, err = capfd.readouterr()
    assert (out, err.splitlines()[0]) == ("", "clew: no command named 'completoin'; did you mean completion?")


def test_no_words_show_the_help(capfd: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "Usage: clew" in capfd.readouterr().err


def test_completion_of_commands_imports_none_of_them() -> None:
    code = "import sys; from clew.cli.main import main\ntry: main([])\nfinally: print('clew.cli.output' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"_CLEW_COMPLETE": "bash_complete", "COMP_WORDS": "clew comp", "COMP_CWORD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines() == ["plain,completion", "False"], done.stderr


def test_groups_guess_and_show_their_examples() -> None:
    from clew.cli.command import command, group

    @group("fruit", examples=[("clew fruit pick", "pick one")])
    def fruit() -> None:
        """Fruit."""

    @command("pick", examples=[("clew fruit pick", "pick one")])
    def pick(*, as_json: bool) -> None:
        """Pick one."""
        click.echo(as_json)

    fruit.add_command(pick)
    assert "no command named 'pik'; did you mean pick?" in CliRunner().invoke(fruit, ["pik"]).output
    assert "Examples:\n  clew fruit pick\n      pick one" in CliRunner().invoke(fruit, ["--help"]).output
    assert CliRunner().invoke(fruit, ["pick", "--json"]).output == "True\n"
