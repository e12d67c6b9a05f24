"""Glob patterns, matched in one pass over the text whatever the pattern.

`*` stands for any characters, `?` for exactly one. The pattern is run as an automaton whose
states are the bits of an integer, so that no pattern makes the match slow: a text of n characters
costs n steps of m/64 machine words. Spec: appendices/#glob-style-matching
"""

WORD_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")


class Glob:
    """A compiled pattern; bit p of a state says: the first p characters of it have matched."""

    __slots__ = ("_any", "_by_character", "_final", "_literal", "_pattern", "_stays")

    def __init__(self, pattern: str, *, wildcards: str = "*?") -> None:
        self._pattern = pattern
        self._literal = not any(wildcard in pattern for wildcard in wildcards)
        self._stays = 0  # states that any character leaves as they are: those before a `*`
        self._any = 0  # states from which any character leads on: those before a `?`
        self._by_character: dict[str, int] = {}
        state = 1
        for character in pattern:
            if character in wildcards and character == "*":
                self._stays |= state
                continue
            if character in wildcards:
                self._any |= state
            else:
                self._by_character[character] = self._by_character.get(character, 0) | state
            state <<= 1
        self._final = state

    def matches(self, text: str) -> bool:
        """Whether the pattern matches the whole text."""
        if self._literal:
            return text == self._pattern
        states = 1
        for character in text:
            states = self._step(states, character)
            if not states:
                return False
        return bool(states & self._final)

    def matches_words(self, text: str) -> bool:
        """Whether the pattern matches a part of the text that starts and ends between words.

        Such a place is the text's start or end, or beside a character that is not of
        WORD_CHARACTERS. Spec: client-server-api/#push-rules (`content.body`)
        """
        if self._literal and self._pattern not in text:
            return False
        states, at_boundary = 0, True
        for character in text:
            is_word = character in WORD_CHARACTERS
            if at_boundary:
                states |= 1
            if not is_word and states & self._final:
                return True
            states = self._step(states, character)
            at_boundary = not is_word
        return bool((states | at_boundary) & self._final)

    def _step(self, states: int, character: str) -> int:
        onward = self._by_character.get(character, 0) | self._any
        return ((states & onward) << 1) | (states & self._stays)
