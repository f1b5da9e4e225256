"""A bundle's model card, written in Markdown, as a part of a page: headings, text, lists, tables, code; nothing else.

What is shown runs nothing and loads nothing: HTML in the card is text, pictures and links are their words.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markupsafe import Markup


def as_html(card: str) -> Markup:
    """The card as HTML, safe to put into a page; wide tables can be scrolled, numbers stand right."""
    reader = MarkdownIt("commonmark", {"html": False}, renderer_cls=_Renderer).enable("table")
    tokens = reader.parse(card)
    _plain(tokens)
    return Markup(reader.renderer.render(tokens, reader.options, {}))


class _Renderer(RendererHTML):
    """Its methods are found by the types of the tokens that they render."""

    def table_open(self, *_: Any) -> str:
        """With a frame that can be scrolled, by keyboard too."""
        return '<div class="scroll" tabindex="0" role="region" aria-label="Table"><table>\n'

    def table_close(self, *_: Any) -> str:
        """The end of both."""
        return "</table></div>\n"

    def image(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
        """What stands for the picture where it cannot be seen."""
        return escapeHtml(self.renderInlineAsText(tokens[index].children or (), options, env))


def _plain(tokens: Sequence[Token]) -> None:
    """Links become text, and alignment a class: the pages allow no style of their own."""
    for token in tokens:
        if token.type in ("link_open", "link_close"):
            token.tag, token.attrs = "span", {}
        if token.attrs.pop("style", None) == "text-align:right":
            token.attrs["class"] = "number"
        _plain(token.children or ())
