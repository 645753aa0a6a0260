"""The files, folders and fixtures that the documents list are those that there are."""

from __future__ import annotations

import re

import pytest

from samples import SAMPLES
from tests.docs.documents import README, ROOT, document, names

FIXTURE = re.compile(r"^@pytest\.fixture.*\n(?:async )?def (\w+)", re.MULTILINE)


def visible(folder: str) -> set[str]:
    """What is in a folder, folders with a slash, but for what Python makes and needs."""
    found = (ROOT / folder).iterdir()
    entries = {f"{entry.name}/" if entry.is_dir() else entry.name for entry in found}
    return {name for name in entries if not name.startswith((".", "__"))} - {"README.md"}


def test_every_top_folder_is_told() -> None:
    rows = README.table("Where things are", "folder")
    told = {row["folder"].strip("[").partition("]")[0] for row in rows}

    made = {"dist/"}  # by `make bundle`
    assert told == {name for name in visible(".") if name.endswith("/")} - made


@pytest.mark.parametrize(
    ("folder", "heading", "column"),
    [
        ("functions", "functions/", "folder"),
        ("shared", "shared/", "module"),
        ("sql", "sql/", "file"),
    ],
)
def test_everything_in_a_folder_is_told(folder: str, heading: str, column: str) -> None:
    rows = document(f"{folder}/README.md").table(heading, column)

    assert sorted(names(rows, column)) == sorted(visible(folder))


def test_every_folder_of_tests_is_told() -> None:
    rows = document("tests/README.md").table("tests/", "folder")

    assert set(names(rows, "folder")) == {name for name in visible("tests") if name.endswith("/")}


def test_every_fixture_that_all_tests_have_is_told() -> None:
    rows = document("tests/README.md").table("Fixtures", "fixture")
    there = set(FIXTURE.findall((ROOT / "tests" / "conftest.py").read_text()))

    # The URLs are what the two databases are made of; the root is a path.
    made_of = {"hosted_database_url", "generous_database_url", "project_root"}
    assert set(names(rows, "fixture")) == there - made_of


def test_the_number_of_samples_and_sources_is_the_one_told() -> None:
    (told,) = re.findall(r"sends (\d+) sample webhooks from (\d+) sources", README.text)

    assert told == (str(len(SAMPLES)), str(len({sample.source for sample in SAMPLES})))


def test_every_stage_is_told() -> None:
    rows = document("sql/README.md").table("Stages", "stage")
    sql = (ROOT / "sql" / "40_events.sql").read_text()
    (values,) = re.findall(r"create type public\.webhook_event_stage as enum \(([^)]*)\)", sql)

    assert names(rows, "stage") == re.findall(r"'(\w+)'", values)
