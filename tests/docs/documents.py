"""Markdown as far as our own documents use it: fenced blocks, tables, links, headings."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#+ (.+)$")
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_CODE = re.compile(r"`([^`]+)`")


@dataclass(frozen=True)
class Block:
    """A fenced block."""

    language: str
    text: str
    heading: str


@dataclass(frozen=True)
class Table:
    """A table: cells by the words of its head."""

    heading: str
    rows: list[dict[str, str]]


@dataclass(frozen=True)
class Document:
    """One Markdown file."""

    path: Path
    text: str = field(repr=False)

    @property
    def blocks(self) -> list[Block]:
        return [
            Block(match[1], match[2], self._heading_before(match.start()))
            for match in _FENCE.finditer(self.text)
        ]

    @property
    def prose(self) -> str:
        """Everything outside of fenced blocks."""
        return _FENCE.sub("", self.text)

    @property
    def links(self) -> list[str]:
        return _LINK.findall(self.prose)

    @property
    def anchors(self) -> set[str]:
        """The headings as GitHub makes anchors of them."""
        headings = [match[1] for line in self.prose.splitlines() if (match := _HEADING.match(line))]
        return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}

    @property
    def tables(self) -> list[Table]:
        tables = []
        heading, lines = "", []
        for line in [*self.prose.splitlines(), ""]:
            if match := _HEADING.match(line):
                heading = match[1]
            if line.startswith("|"):
                lines.append([cell.strip() for cell in line.strip("|").split(" |")])
            elif lines:
                head, _, *rows = lines
                tables.append(Table(heading, [dict(zip(head, row, strict=True)) for row in rows]))
                lines = []
        return tables

    def table(self, heading: str, first_column: str) -> list[dict[str, str]]:
        """The rows of the one table under this heading whose first column has this name."""
        (found,) = [
            table.rows
            for table in self.tables
            if table.heading == heading and next(iter(table.rows[0])) == first_column
        ]
        return found

    def _heading_before(self, position: int) -> str:
        before = _FENCE.sub("", self.text[:position]).splitlines()
        return next((match[1] for line in reversed(before) if (match := _HEADING.match(line))), "")


def codes(cell: str) -> list[str]:
    """What stands in backticks, in order."""
    return _CODE.findall(cell)


def names(rows: list[dict[str, str]], column: str) -> list[str]:
    """What stands in backticks in a column, over all rows."""
    return [code for row in rows for code in codes(row[column])]


@cache
def document(path: str) -> Document:
    return Document(ROOT / path, (ROOT / path).read_text())


def document_paths() -> list[str]:
    """Every Markdown file of ours; what is installed lies deeper."""
    patterns = ("*.md", "[a-z]*/*.md", "[a-z]*/[a-z]*/*.md")
    found = (path for pattern in patterns for path in ROOT.glob(pattern))
    return sorted(str(path.relative_to(ROOT)) for path in found)


README = document("README.md")
