"""Write the tables of the documentation that come from declarations in the code.

python docs/make_tables.py            # writes them
python docs/make_tables.py --check    # fails if they are out of date
"""

import dataclasses
import pathlib
import sys
import typing

from barlow.settings import Settings

PAGE = pathlib.Path(__file__).with_name("settings.md")
BEGIN, END = "<!-- settings:begin -->\n", "<!-- settings:end -->"


def settings() -> str:
    """Every setting: name, option, values, default and what it is."""
    rows = ["| setting | option | values | default | |", "|---|---|---|---|---|"]
    types = typing.get_type_hints(Settings)
    for field in dataclasses.fields(Settings):
        declared = field.metadata["declaration"]
        kinds = [kind for kind in typing.get_args(types[field.name]) if kind is not type(None)]
        kind = str(kinds[0] if kinds else types[field.name])
        kind = {"<class 'int'>": "integer", "<class 'float'>": "number", "<class 'str'>": "text",
                "<class 'bool'>": "yes or no"}.get(kind, "integers")  # fmt: skip
        values = declared.allowed if declared.choices else f"{kind} {declared.allowed}".strip()
        is_open = field.default in (None, "auto")
        default = declared.unset if is_open else f"`{field.default!r}`"
        option = field.name.rstrip("_").replace("_", "-")
        help_ = declared.help.replace("|", "\\|")
        rows.append(f"| `{field.name}` | `--{option}` | {values} | {default} | {help_} |")
    return "\n".join(rows) + "\n"


def main() -> None:
    """Write the tables, or check them."""
    text = PAGE.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    expected = before + BEGIN + settings() + END + after
    if "--check" not in sys.argv:
        PAGE.write_text(expected)
    elif text != expected:
        sys.exit(f"{PAGE} is out of date: run python {__file__}")


if __name__ == "__main__":
    main()
