"""What is handed to runtimes fits the functions: names, settings, packages."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from functions.api.settings import ApiSettings
from functions.classify.settings import ClassifySettings
from functions.console.settings import ConsoleSettings
from functions.deploy import bundle
from functions.dispatch.settings import DispatchSettings
from functions.ingest.settings import IngestSettings
from functions.prepare_for_rules.settings import PrepareForRulesSettings
from functions.process_rules.settings import ProcessRulesSettings
from shared.settings import Settings

DEPLOY = Path(bundle.__file__).parent
SETTINGS: dict[str, type[Settings]] = {
    "ingest": IngestSettings,
    "classify": ClassifySettings,
    "prepare_for_rules": PrepareForRulesSettings,
    "process_rules": ProcessRulesSettings,
    "dispatch": DispatchSettings,
    "api": ApiSettings,
    "console": ConsoleSettings,
}


def fields(function: str, *, only_required: bool = False) -> set[str]:
    """The environment variables that a function reads."""
    model = SETTINGS[function].model_fields
    return {
        name.upper() for name, field in model.items() if field.is_required() or not only_required
    }


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((DEPLOY / "template.yaml").read_text())
    return loaded


def lambdas(template: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Properties of the template's functions, by folder."""
    folders = {name: folder for folder, name in bundle.NAMES.items()}
    properties = (resource["Properties"] for resource in template["Resources"].values())
    return {folders[function["FunctionName"]]: function for function in properties}


def test_every_function_is_in_the_template_with_its_bundle(template: dict[str, Any]) -> None:
    found = lambdas(template)

    assert {folder: function["CodeUri"] for folder, function in found.items()} == {
        folder: f"../../dist/{name}.zip" for folder, name in bundle.NAMES.items()
    }
    assert template["Globals"]["Function"]["Handler"] == "main.handler"
    assert template["Globals"]["Function"]["Runtime"] == f"python{bundle.PYTHON}"


@pytest.mark.parametrize("function", sorted(bundle.NAMES))
def test_the_template_gives_each_function_the_settings_that_it_reads(
    template: dict[str, Any], function: str
) -> None:
    given = set(lambdas(template)[function]["Environment"]["Variables"])

    assert fields(function, only_required=True) <= given <= fields(function)


def test_the_template_refers_to_what_it_has(template: dict[str, Any]) -> None:
    text = (DEPLOY / "template.yaml").read_text()
    urls = {f"{name}Url" for name in template["Resources"]}

    assert set(re.findall(r"Ref: (\w+)", text)) == set(template["Parameters"])
    assert set(re.findall(r'"Fn::GetAtt": \[(\w+), FunctionUrl\]', text)) == urls
    secrets = {"SupabaseSecretKey", "FunctionsSecret", "EncryptionKeys", "OtlpHeaders"}
    assert all(template["Parameters"][name]["NoEcho"] for name in secrets)


@pytest.mark.parametrize("function", sorted(bundle.NAMES))
def test_a_service_of_cloud_run_has_the_settings_that_its_function_needs(function: str) -> None:
    text = (DEPLOY / "cloud-run.yaml").read_text().replace("${FUNCTION}", function)
    (container,) = yaml.safe_load(text)["spec"]["template"]["spec"]["containers"]
    given = {variable["name"]: variable for variable in container["env"]}

    assert fields(function, only_required=True) <= given.keys()
    assert given["FUNCTION"]["value"] == function
    assert given["SUPABASE_SECRET_KEY"].keys() == {"name", "valueFrom"}


def test_vercel_sends_every_path_to_the_bundles_application() -> None:
    content = json.loads((DEPLOY / "vercel.json").read_text())

    assert [build["src"] for build in content["builds"]] == ["main.py"]
    assert content["routes"] == [{"src": "/(.*)", "dest": "main.py"}]
    assert "from functions.ingest.app import app" in bundle.MAIN.format(name="", folder="ingest")


def test_the_image_holds_the_packages_of_every_function(tmp_path: Path) -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    locks = re.findall(r"-r /requirements/(\w+)\.txt", text)
    chosen = [word for lock in locks for word in ("-r", f"requirements/{lock}.txt")]

    answer = subprocess.run(
        [
            str(Path(sys.executable).parent / "uv"),
            *("pip", "install", "--dry-run", "--target", str(tmp_path), "--require-hashes"),
            *("--only-binary", ":all:", "--python-version", bundle.PYTHON),
            *("--python-platform", bundle.PLATFORMS["x86_64"], *chosen),
        ],
        cwd=DEPLOY.parents[1],
        capture_output=True,
        text=True,
        check=False,
    )

    assert set(locks) == {*bundle.NAMES, "telemetry"}
    assert "${TELEMETRY:+-r /requirements/telemetry.txt}" in text
    assert answer.returncode == 0, answer.stderr
    assert "COPY functions/deploy/image.py main.py" in text
    assert "uvicorn main:app" in text


def test_the_images_context_has_what_it_copies(project_root: Path) -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    copied = {path.strip("/") for path in re.findall(r"^COPY (?!--)(\S+) ", text, re.MULTILINE)}
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()

    assert {line.removeprefix("!") for line in ignored if line.startswith("!")} == copied
    assert all((project_root / path).exists() for path in copied)


def test_the_image_serves_the_function_that_it_is_told(project_root: Path) -> None:
    answer = subprocess.run(
        [
            sys.executable,
            "-c",
            "import runpy; print(runpy.run_path('functions/deploy/image.py')['app'])",
        ],
        cwd=project_root,
        env={**os.environ, "FUNCTION": "dispatch", "PYTHONPATH": "."},
        capture_output=True,
        text=True,
        check=False,
    )

    assert "Starlette" in answer.stdout, answer.stderr
