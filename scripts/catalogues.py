"""Catalogues of the texts in reporting/: extracted with Babel, merged with what is translated, compiled.

The compiled catalogues are committed beside their sources, so that an installation needs neither Babel nor a build.
"""

from __future__ import annotations

import datetime as dt
import io
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from screening_node.reporting.language import DOMAIN, Language, catalogue

REPORTING = Path(__file__).resolve().parents[1] / "screening_node" / "reporting"
#: The calls whose first argument (of ``count``, the first two) is a text; see reporting/language.py.
KEYWORDS = {"say": (1,), "later": (1,), "count": (1, 2)}
TRANSLATED = [language for language in Language if language is not Language.ENGLISH]
#: A fixed date: what is extracted twice is the same to the byte.
EPOCH = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
HEADER = """\
# Texts that people read in PACS. Keep what stands in braces as it is; a text may use it in another order.
# Not reviewed by a radiologist who speaks the language: a site reviews the wording before it uses it."""


def extracted() -> Catalog:
    """Every text in the code."""
    found = Catalog(creation_date=EPOCH, header_comment=HEADER)
    for _, _, message, _, _ in extract_from_dir(str(REPORTING), method_map=[("**.py", "python")], keywords=KEYWORDS):
        found.add(message)
    return found


def read(language: Language) -> Catalog:
    """A language's catalogue as it stands; an empty one where there is none yet."""
    path, locale = catalogue(language), language.value.replace("-", "_")
    if not path.exists():
        return Catalog(
            locale=locale, domain=DOMAIN, project="screening-node", version="1", msgid_bugs_address="none",
            last_translator="Screening Node Project", language_team="none", creation_date=EPOCH, revision_date=EPOCH,
            fuzzy=False,
        )  # fmt: skip
    with path.open("rb") as file:
        return read_po(file, locale=locale, domain=DOMAIN)


def compiled(catalogue: Catalog) -> bytes:
    """The .mo file; what is fuzzy is left out of it."""
    file = io.BytesIO()
    write_mo(file, catalogue)
    return file.getvalue()


def main() -> None:
    """Bring every catalogue up to date."""
    template = extracted()
    for language in TRANSLATED:
        known = read(language)
        known.update(template, update_header_comment=True, update_creation_date=True)
        known.obsolete.clear()
        path = catalogue(language)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            write_po(file, known, width=110, no_location=True, sort_output=True)
        path.with_suffix(".mo").write_bytes(compiled(read(language)))
        missing = sum(1 for message in known if message.id and (message.fuzzy or not message.string))
        print(f"{language.value}: {len(known)} texts, {missing} to be translated")


if __name__ == "__main__":
    main()
