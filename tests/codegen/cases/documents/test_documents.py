"""The published documents and the page."""

import re
from html.parser import HTMLParser

import pytest
import yaml
from generator.documents import Bundle, as_yaml, downgrade
from generator.page import page
from generator.schemas import Schemas
from openapi_spec_validator import validate


@pytest.fixture
def document(case):
    return Bundle(case.spec, Schemas(case.spec)).document()


def test_output(case, document):
    assert as_yaml(document, "# expected") == (case.folder / "expected.yaml").read_text("utf-8")


def test_older_output(case, document):
    expected = (case.folder / "expected-3.0.3.yaml").read_text("utf-8")
    assert as_yaml(downgrade(document), "# expected") == expected


def test_both_are_valid(document):
    validate(document)
    validate(downgrade(document))


def test_what_is_written_is_what_is_read(document):
    assert yaml.safe_load(as_yaml(document, "# x")) == document


def test_the_page_names_every_operation_and_needs_nothing_else(document):
    text = page(document)
    assert "/rooms/{roomId}/join" in text and "M_GUEST_ACCESS_FORBIDDEN" in text
    assert not re.search(r"<(script|link|img|iframe)|@import|url\(", text)


def test_text_is_escaped_on_the_page(document):
    document["paths"]["/join"]["get"]["summary"] = "<script>alert(1)</script>"
    assert "<script>" not in page(document)


def test_links_of_the_page_lead_somewhere(document):
    class Links(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.wanted: set[str] = set()
            self.there: set[str] = set()

        def handle_starttag(self, _tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found = dict(attrs)
            self.there.add(found.get("id") or "")
            if (found.get("href") or "").startswith("#"):
                self.wanted.add((found["href"] or "")[1:])

    links = Links()
    links.feed(page(document))
    assert links.wanted and links.wanted <= links.there
