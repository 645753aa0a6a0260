"""What documents point to is there, and what they show as JSON is JSON."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.docs.documents import README, ROOT, document, document_paths

PICTURE = ROOT / ".github" / "webhook-path.svg"
SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("path", document_paths())
def test_every_relative_link_leads_somewhere(path: str) -> None:
    own = document(path)
    lost = []
    for link in own.links:
        if "://" in link:
            continue
        target, _, anchor = link.partition("#")
        found = (own.path.parent / target).resolve() if target else own.path
        if not found.exists() or (anchor and anchor not in document(relative(found)).anchors):
            lost.append(link)

    assert lost == []


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", document_paths())
def test_every_json_block_is_json(path: str) -> None:
    for block in document(path).blocks:
        if block.language == "json":
            json.loads(block.text)


@pytest.mark.parametrize("path", document_paths())
def test_every_table_has_cells_under_each_head(path: str) -> None:
    assert all(table.rows for table in document(path).tables)


def test_every_folder_with_rules_has_a_readme_that_the_main_one_links() -> None:
    folders = {path.partition("/")[0] for path in document_paths() if path.count("/") == 1}

    assert folders == {"functions", "shared", "sql", "supabase", "tests"}
    assert {f"{folder}/README.md" for folder in folders} <= set(README.links)


def test_the_picture_is_shown_and_says_in_words_what_it_shows() -> None:
    picture = ET.parse(PICTURE).getroot()  # noqa: S314 (our own file)

    assert relative(PICTURE) in README.links
    assert picture.findtext(f"{SVG}title")
    assert picture.findtext(f"{SVG}desc")
    assert "prefers-color-scheme: dark" in PICTURE.read_text()


def test_the_picture_names_the_functions_and_tables_that_there_are() -> None:
    picture = ET.parse(PICTURE)  # noqa: S314
    texts = [text.text or "" for text in picture.iter(f"{SVG}text")]
    stages = ["ingest", "classify", "review", "prepare-for-rules", "process-rules"]
    sql = "".join(path.read_text() for path in (ROOT / "sql").glob("*.sql"))

    assert [text for text in texts if text in stages] == stages
    for table in ("webhook_events", "webhook_event_logs", "people", "entities"):
        assert any(table in text for text in texts)
        assert f"create table public.{table} (" in sql
