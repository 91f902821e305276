"""Consoles on which text from outside is text: what it holds for a terminal to obey is written out."""

from __future__ import annotations

from typing import Any

from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderHook, RenderResult
from rich.segment import Segment

from pinwheel.core.text import visible


def make_console(**arguments: Any) -> Console:
    """A console, with the arguments of rich's, that writes no control or unseen character but its own."""
    console = Console(**{"highlight": False, **arguments})
    console.push_render_hook(_Neutralizing())
    return console


class _Neutralizing(RenderHook):
    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        return [_Neutral(renderable) for renderable in renderables]


class _Neutral:
    def __init__(self, renderable: ConsoleRenderable) -> None:
        self._renderable = renderable

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for segment in console.render(self._renderable, options):
            if segment.control:
                yield segment
            else:
                yield Segment(visible(segment.text, keep="\n"), segment.style)
