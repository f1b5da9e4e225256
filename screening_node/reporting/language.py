"""The languages in which a person can read what the node leaves in PACS, and the words in each.

English is the source: a text stands in the code as it is said in English, and the catalogue of another language
(gettext, locale/*/LC_MESSAGES/reports.po) has its translation under that text. Codes, their meanings, attribute names
and the values of measurements are not translated: they are what the standards and the machines say.

    scripts/catalogues    takes new texts out of the code into every catalogue, and compiles the catalogues

A text is marked by the call that says it, ``say("...")`` or ``say.count("...", "...", n)``, or by ``later("...")``
where it stands apart from the place that says it.
"""

from __future__ import annotations

import gettext
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Final

from screening_node.errors import Misconfigured

FOLDER: Final = Path(__file__).parent / "locale"
DOMAIN: Final = "reports"


class Language(StrEnum):
    """A language by its tag (RFC 5646), which is also what a site writes in its configuration."""

    ENGLISH = "en"
    GERMAN = "de"
    SPANISH = "es"
    FRENCH = "fr"
    CHINESE_TRADITIONAL = "zh-Hant"
    CHINESE_SIMPLIFIED = "zh-Hans"
    JAPANESE = "ja"
    KOREAN = "ko"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Habits:
    """How a language writes: the mark before decimals, between sentences, and between the members of a list."""

    decimal: str = "."
    gap: str = " "
    comma: str = ", "


_COMMA_FOR_DECIMALS: Final = _Habits(decimal=",")
_NO_SPACES: Final = _Habits(gap="", comma="、")
_HABITS: Final = {
    Language.GERMAN: _COMMA_FOR_DECIMALS,
    Language.SPANISH: _COMMA_FOR_DECIMALS,
    Language.FRENCH: _COMMA_FOR_DECIMALS,
    Language.CHINESE_TRADITIONAL: _NO_SPACES,
    Language.CHINESE_SIMPLIFIED: _NO_SPACES,
    Language.JAPANESE: _NO_SPACES,
}


class Words:
    """Says texts in one language. Made by ``words``."""

    def __init__(self, language: Language, catalogue: gettext.NullTranslations) -> None:
        self.language = language
        self._catalogue = catalogue
        self._habits = _HABITS.get(language, _Habits())

    def __call__(self, text: str, /, **values: str) -> str:
        """The text with ``values`` in its braces; a text that no catalogue knows, such as a site's own, as it is."""
        return self._filled(self._catalogue.gettext(text), values)

    def count(self, one: str, many: str, number: int, /, **values: str) -> str:
        """The form of a text that goes with a number."""
        return self._filled(self._catalogue.ngettext(one, many, number), {**values, "number": str(number)})

    def decimal(self, number: str) -> str:
        """A number for prose, with the language's decimal mark. Never for a value that a machine reads."""
        return number.replace(".", self._habits.decimal)

    def date(self, value: str) -> str:
        """A DA (YYYYMMDD) for people; another text as it is."""
        if len(value) != 8:
            return value
        return self(later("{year}-{month}-{day}"), year=value[:4], month=value[4:6], day=value[6:])

    def sentences(self, *parts: str) -> str:
        """Sentences after one another; empty ones are left out."""
        return self._habits.gap.join(filter(None, parts))

    def listed(self, parts: Iterable[str]) -> str:
        """The members of a list after one another."""
        return self._habits.comma.join(parts)

    def _filled(self, text: str, values: dict[str, str]) -> str:
        return text.format(**values) if values else text


def later(text: str) -> str:
    """The text as it is: marks it for the catalogues where it is said elsewhere."""
    return text


@cache
def words(language: Language) -> Words:
    """The words of a language; Misconfigured where its catalogue is not installed."""
    if language is Language.ENGLISH:
        return Words(language, gettext.NullTranslations())
    path = catalogue(language).with_suffix(".mo")
    try:
        with path.open("rb") as file:
            return Words(language, gettext.GNUTranslations(file))
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{path} cannot be read: {error}.", fix="Install the node again.") from error


def catalogue(language: Language) -> Path:
    """The .po file of a language other than English; the compiled one has the suffix .mo and stands beside it."""
    return FOLDER / language.value.replace("-", "_") / "LC_MESSAGES" / f"{DOMAIN}.po"


ENGLISH: Final = words(Language.ENGLISH)
