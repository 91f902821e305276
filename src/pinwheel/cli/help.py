"""How help looks: as that of the airflow command, with the lines of examples as they are."""

from __future__ import annotations

from rich.text import Text
from rich_argparse import RichHelpFormatter


class Formatter(RichHelpFormatter):
    """Fills paragraphs; a text of several lines keeps them. Nothing in a text is markup."""

    help_markup = False
    text_markup = False

    def _rich_fill_text(self, text: Text, width: int, indent: Text) -> Text:
        if "\n" not in text.plain:
            return super()._rich_fill_text(text, width, indent)
        return Text("\n").join(indent + line for line in text.split("\n")) + "\n\n"
