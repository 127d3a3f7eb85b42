"""Entry point of the `barlow` command.

It stands beside the package because Python runs ``barlow/__init__.py`` before any module in it.
With this module there, that imports no Keras: help and errors of usage come at once.
"""


def main() -> None:
    """Run the command."""
    from barlow.cli import main as command  # noqa: PLC0415

    command()


if __name__ == "__main__":  # as torchrun starts it
    main()
