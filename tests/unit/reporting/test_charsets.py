import pytest

from screening_node.reporting.charsets import decode, encodings

#: Declared terms, bytes, text. Japanese and Korean: DICOM PS3.5 Annexes H and I; Chinese: Annexes J and K.
DECLARED = [
    ([""], b"Doe^Jane", "Doe^Jane"),
    (["ISO_IR 100"], "Buc^Jérôme".encode("latin-1"), "Buc^Jérôme"),
    (["ISO_IR 192"], "Wang^XiaoDong=王^小东=".encode(), "Wang^XiaoDong=王^小东="),
    (["ISO_IR 144"], "Люкceмбypг".encode("iso8859-5"), "Люкceмбypг"),
    (["ISO_IR 13"], "ﾔﾏﾀﾞ^ﾀﾛｳ".encode("shift_jis"), "ﾔﾏﾀﾞ^ﾀﾛｳ"),
    (["ISO_IR 13"], "山田^太郎".encode("shift_jis"), "山田^太郎"),
    (["GB18030"], "王^小东".encode("gb18030"), "王^小东"),
    (["GBK"], "王^小东".encode("gbk"), "王^小东"),
    # The second byte of a character may be a backslash or a caret: split only after decoding.
    (["GB18030"], "乗^乛".encode("gb18030"), "乗^乛"),
    (["ISO_IR 13"], "ソ^表".encode("shift_jis"), "ソ^表"),
    (
        ["", "ISO 2022 IR 87"],
        b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
        "Yamada^Tarou=山田^太郎=やまだ^たろう",
    ),
    (
        ["ISO 2022 IR 13", "ISO 2022 IR 87"],
        b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J",
        "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎",
    ),
    (
        ["", "ISO 2022 IR 149"],
        b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf",
        "Hong^Gildong=洪^吉洞=홍^길동",
    ),
    (
        ["", "ISO 2022 IR 58"],
        b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab=",
        "Zhang^XiaoDong=张^小东=",
    ),
    (["ISO 2022 IR 100", "ISO 2022 IR 126"], b"\xc4ther^\x1b-F\xc4\xe9\xef^\xe9", "Äther^Διο^é"),
]


@pytest.mark.parametrize(("terms", "raw", "text"), DECLARED, ids=range(len(DECLARED)))
def test_text_is_read_by_the_declared_sets(terms: list[str], raw: bytes, text: str) -> None:
    assert decode(raw, encodings(terms)) == (text, True)


@pytest.mark.parametrize(
    ("terms", "raw", "text"),
    [
        ([""], "Müller^Jürgen".encode(), "Müller^Jürgen"),  # UTF-8 that nobody declared
        ([""], "Müller".encode("latin-1"), "Müller"),
        (["NONSENSE"], "Müller".encode("latin-1"), "Müller"),
        (["", "GB18030"], "王^小东".encode("gb18030"), "王^小东"),  # a stand-alone set in second place
        (["ISO_IR 192"], b"M\xfcller", "M?ller"),
        ([""], b"A\x1b$)Zxyz", "A$)Zxyz"),
    ],
)
def test_bytes_that_the_declared_sets_do_not_allow_are_told(terms: list[str], raw: bytes, text: str) -> None:
    assert decode(raw, encodings(terms)) == (text, False)


def test_padding_and_control_characters_go_line_feeds_stay() -> None:
    assert decode(b"  A\x07B\r\nC \0", ("ascii",)) == ("AB\nC", True)
    assert decode(b"", ("ascii",)) == ("", True)
