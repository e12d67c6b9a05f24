"""Texts as words."""

import pytest

from chat.storage.words import LONGEST_WORD, words


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("  !? ", []),
        ("Dinner is READY", ["dinner", "is", "ready"]),
        ("Zoë Müller-Lüdenscheidt", ["zoe", "muller", "ludenscheidt"]),
        ("Straße", ["strasse"]),
        ("ﬁne", ["fine"]),
        ("room42 a_b", ["room42", "a", "b"]),
        ("今日は hello", ["今", "日", "は", "hello"]),
        ("lone \ud800 half", ["lone", "half"]),
        ("'; DROP TABLE users --", ["drop", "table", "users"]),
        ("x" * 100, ["x" * LONGEST_WORD]),
    ],
)
def test_words(text: str, found: list[str]) -> None:
    assert words(text, 10) == found


def test_no_more_words_than_asked_for() -> None:
    assert words("one two three", 2) == ["one", "two"]
