"""The command that tells what is installed, what runs, and what is missing: doctor."""

import typer

from barlow.cli import options, show


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    options.command(app, "doctor")(doctor)


def doctor() -> None:
    """Show versions, backend, devices and memory, and what is missing for which feature."""
    from barlow import installation  # noqa: PLC0415

    found = installation.examine()
    show.table(("", ""), list(found.facts.items()), title="This installation")
    headings = ("for", "missing", "install it with")
    missing = [(each.purpose, ", ".join(each.packages), each.command) for each in found.missing]
    if missing:
        show.table(headings, missing, title="What is missing")
    else:
        show.say("Nothing is missing.")
