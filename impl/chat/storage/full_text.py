"""Full text: where SQLite's FTS5 and PostgreSQL's tsvector differ.

Both databases have a table `search_words` that finds a text by its words. Words come here cut and
folded (words.py), as letters and digits only, so that nobody's text or term is ever read as syntax.
A text also has marks, of its room say, that no word can look like.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

SHORTEST_PREFIX = 3  # characters of a word that may be searched for by its beginning
MOST_POSITIONS = 255  # of one word in a tsvector


@dataclass(frozen=True, slots=True)
class FullText:
    """A database's own statements and expressions.

    `matches` and `rank` (more is better) are for a query `:query` about `search_words w`. `put` and
    `forget` take `:rowid`, `:marks` and `:words`, and `forget` all that `put` was given.
    """

    matches: str
    rank: str
    put: str
    forget: str
    empty: str

    def marks(self, marks: Sequence[str]) -> str:
        """Marks in the form in which they are stored."""
        raise NotImplementedError

    def words(self, words: Sequence[str]) -> str:
        """Words in the form in which they are stored."""
        raise NotImplementedError

    def query(self, words: Sequence[str], marks: Sequence[Sequence[str]]) -> str:
        """What finds texts with all words, or beginnings, and with one mark of each group."""
        raise NotImplementedError


class Fts5(FullText):
    """SQLite: a contentless table, so that no text is stored twice; `marks` do not rank."""

    def marks(self, marks: Sequence[str]) -> str:
        return " ".join(marks)

    def words(self, words: Sequence[str]) -> str:
        return " ".join(words)

    def query(self, words: Sequence[str], marks: Sequence[Sequence[str]]) -> str:
        terms = [f'"{word}"*' if _by_beginning(word) else f'"{word}"' for word in words]
        parts = ["{words} : (" + " AND ".join(terms) + ")"]
        for group in marks:
            parts.append("{marks} : (" + " OR ".join(f'"{mark}"' for mark in group) + ")")
        return " AND ".join(parts)


class TsVector(FullText):
    """PostgreSQL: a tsvector built here, word by word, so that no dictionary changes it."""

    def marks(self, marks: Sequence[str]) -> str:
        return " ".join(f"'!{mark}'" for mark in marks)

    def words(self, words: Sequence[str]) -> str:
        places: defaultdict[str, list[str]] = defaultdict(list)
        for place, word in enumerate(words, 1):
            if len(places[word]) < MOST_POSITIONS:
                places[word].append(str(place))
        # One place would rank a word like none does, and take four bytes.
        return " ".join(
            f"'{word}':{','.join(where)}" if len(where) > 1 else f"'{word}'"
            for word, where in places.items()
        )

    def query(self, words: Sequence[str], marks: Sequence[Sequence[str]]) -> str:
        terms = [f"'{word}':*" if _by_beginning(word) else f"'{word}'" for word in words]
        for group in marks:
            terms.append("(" + " | ".join(f"'!{mark}'" for mark in group) + ")")
        return " & ".join(terms)


def _by_beginning(word: str) -> bool:
    return len(word) >= SHORTEST_PREFIX


FTS5 = Fts5(
    matches="search_words MATCH :query",
    rank="-bm25(search_words, 0.0, 1.0)",
    put="INSERT INTO search_words (rowid, marks, words) VALUES (:rowid, :marks, :words)",
    forget="INSERT INTO search_words (search_words, rowid, marks, words)"
    " VALUES ('delete', :rowid, :marks, :words)",
    empty="INSERT INTO search_words (search_words) VALUES ('delete-all')",
)
TSVECTOR = TsVector(
    matches="w.words @@ :query::tsquery",
    # By how often the words occur. That of all together would be by how near they are.
    rank="ts_rank(w.words, replace(:query, '&', '|')::tsquery)",
    put="INSERT INTO search_words (rowid, words)"
    " VALUES (:rowid, (:marks || ' ' || :words)::tsvector)",
    forget="DELETE FROM search_words WHERE rowid = :rowid AND :marks <> '' AND :words <> ''",
    empty="DELETE FROM search_words",
)
