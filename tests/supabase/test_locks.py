from __future__ import annotations

import json
import re
from importlib.metadata import packages_distributions
from pathlib import Path

import grimp
import pytest

FUNCTIONS = ("ingest", "classify", "prepare_for_rules", "process_rules", "dispatch", "api")
OPTIONAL = {
    "classify_llm": "functions.classify.classifiers.language_model",
    "telemetry": "shared.telemetry.sdk",
}
"""Modules that a function imports only where it is configured to, by the group that has what they need."""
PIN = re.compile(r"^([a-z0-9-]+)==(\S+)", re.MULTILINE)


def pins(root: Path, group: str) -> dict[str, str]:
    return dict(PIN.findall((root / "requirements" / f"{group}.txt").read_text()))


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("group", [*FUNCTIONS, *OPTIONAL, "local"])
def test_every_group_pins_what_the_tests_ran_with(project_root: Path, group: str) -> None:
    assert pins(project_root, group).items() <= pins(project_root, "dev").items()


def test_every_pin_has_a_hash_and_no_lock_names_where_it_was_downloaded(
    project_root: Path,
) -> None:
    for path in (project_root / "requirements").iterdir():
        content = path.read_text()
        assert all("--hash=sha256:" in hashes for hashes in PIN.split(content)[3::3])
        assert "://" not in content
        assert "-url" not in content
    for folder in ("supabase/local", "tests/node"):
        assert '"resolved"' not in (project_root / folder / "package-lock.json").read_text()


def test_the_npm_lock_knows_every_platforms_build_of_the_supabase_cli(project_root: Path) -> None:
    lock = json.loads((project_root / "supabase/local/package-lock.json").read_text())["packages"]
    builds = lock["node_modules/supabase"]["optionalDependencies"]
    for name, version in builds.items():
        assert lock[f"node_modules/{name}"]["version"] == version
        assert lock[f"node_modules/{name}"]["optional"] is True


@pytest.mark.parametrize("group", [*FUNCTIONS, *OPTIONAL])
def test_a_function_imports_only_what_its_own_lock_installs(project_root: Path, group: str) -> None:
    graph = grimp.build_graph("functions", "shared", include_external_packages=True)
    if group in OPTIONAL:
        modules = {OPTIONAL[group]}
    else:
        modules = {f"functions.{group}"} | graph.find_descendants(f"functions.{group}")
        modules -= set(OPTIONAL.values())
        for module in OPTIONAL.values():
            graph.remove_module(module)
    needed = set().union(*(graph.find_upstream_modules(module) for module in modules))
    external = {name for name in needed if not name.startswith(("functions", "shared"))}
    provided = packages_distributions()
    third_party = {name for name in external if name in provided}
    locked = set(pins(project_root, group))

    missing = {
        name for name in third_party if not {normal(each) for each in provided[name]} & locked
    }
    assert not missing
