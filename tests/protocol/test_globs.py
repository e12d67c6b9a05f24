"""Spec: appendices/#glob-style-matching, client-server-api/#conditions-1 (word boundaries)"""

import fnmatch
import itertools
import time

import pytest

from chat.protocol.globs import Glob


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("", "", True),
        ("", "a", False),
        ("abc", "abc", True),
        ("abc", "abcd", False),
        ("*", "", True),
        ("*", "anything\n", True),
        ("m.room.*", "m.room.message", True),
        ("m.room.*", "m.room", False),
        ("*.example", "org.example", True),
        ("a*b*c", "a--b--b--c", True),
        ("a*b*c", "a--c--b", False),
        ("lunc?*", "lunch plans", True),
        ("lunc?*", "lunch", True),
        ("lunc?*", "lunc", False),
        ("lunc?*", " lunch", False),
        ("?", "", False),
        ("??", "ab", True),
        ("[a]", "[a]", True),
        ("[a]", "a", False),
        ("a\\*", "a\\x", True),
        ("**", "x", True),
    ],
)
def test_globs_match_whole_texts(pattern: str, text: str, expected: bool) -> None:
    assert Glob(pattern).matches(text) is expected


def test_globs_agree_with_the_standard_library() -> None:
    patterns = ["".join(p) for n in range(5) for p in itertools.product("ab*?", repeat=n)]
    texts = ["".join(t) for n in range(5) for t in itertools.product("ab", repeat=n)]
    for pattern in patterns:
        glob = Glob(pattern)
        for text in texts:
            assert glob.matches(text) is fnmatch.fnmatchcase(text, pattern), (pattern, text)


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("ex*ple", "an example event.", True),
        ("ex*ple", "exple", True),
        ("ex*ple", "an exciting triple-whammy", True),
        ("ex*ple", "an examples", False),
        ("ex*ple", "inexample", False),
        ("cake", "cake", True),
        ("cake", "a cake!", True),
        ("cake", "cakes", False),
        ("cake", "pancake", False),
        ("cake", "cake_", False),
        ("cake", "pancake cake", True),
        ("cake", "écakeé", True),
        ("c?ke", "pancake: coke", True),
        ("cake*", "a cakewalk", True),
        ("cake*", "pancake", False),
        ("*cake", "pancake day", True),
        ("?", "ab", False),
        ("?", "ab c", True),
        ("a b", "x a b y", True),
        ("@room", "hey @room", True),
        ("*", "", True),
        ("*", "words", True),
    ],
)
def test_globs_match_between_words(pattern: str, text: str, expected: bool) -> None:
    assert Glob(pattern).matches_words(text) is expected


def test_without_wildcards_stars_are_characters() -> None:
    glob = Glob("a*?", wildcards="")
    assert glob.matches("a*?")
    assert not glob.matches("abc")
    assert glob.matches_words("an a*? here")
    assert Glob("a?*", wildcards="*").matches("a?b")
    assert not Glob("a?*", wildcards="*").matches("aab")


@pytest.mark.parametrize("pattern", ["a*" * 5_000 + "b", "?a" * 10_000, "*a?" * 6_000 + "b"])
def test_no_pattern_makes_a_match_slow(pattern: str) -> None:
    """Backtracking would not end in this century; 5 s is far from what it takes."""
    text = "a" * 20_000
    glob = Glob(pattern)
    begin = time.process_time()
    glob.matches(text)
    glob.matches_words(text)
    assert time.process_time() - begin < 5
