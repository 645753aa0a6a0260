from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from functions.deploy import bundle
from tests.functions.deploy.unpacked import PYTHON, Bundles

FUNCTIONS = sorted(bundle.NAMES)
THIS_PYTHON = f"3.{sys.version_info.minor}"


def test_every_function_has_a_bundle_and_a_lock(project_root: Path) -> None:
    folders = {path.parent.name for path in (project_root / "functions").glob("*/app.py")}

    assert set(bundle.NAMES) == folders
    assert all((project_root / "requirements" / f"{name}.txt").exists() for name in bundle.NAMES)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_bundle_holds_its_function_and_no_other(function: str, bundles: Bundles) -> None:
    with zipfile.ZipFile(bundles.made(function)) as archive:
        names = archive.namelist()

    own = {name.split("/")[1] for name in names if name.startswith("functions/")}
    assert own == {"__init__.py", function}
    assert {"main.py", "shared/database.py", f"functions/{function}/app.py"} <= set(names)
    assert not [name for name in names if name.endswith((".pyc", ".c")) or "RECORD" in name]


@pytest.mark.parametrize(
    "file",
    [
        "classify/classifiers/head.npz",
        "classify/classifiers/lexicon.json",
        "console/static/vendor/htmx.min.js",
        "console/templates/ui.html",
    ],
)
def test_a_bundle_holds_what_its_function_reads(file: str, bundles: Bundles) -> None:
    with zipfile.ZipFile(bundles.made(file.partition("/")[0])) as archive:
        assert f"functions/{file}" in archive.namelist()


@pytest.mark.parametrize("function", ["ingest", "dispatch"])
def test_a_bundle_starts_where_nothing_else_is_installed(
    function: str, bundles: Bundles, tmp_path: Path
) -> None:
    folder = bundles.unpacked(function)
    settings = ("SUPABASE_URL", "SUPABASE_SECRET_KEY", "FUNCTIONS_SECRET", "ENCRYPTION_KEYS")

    answer = subprocess.run(
        [str(PYTHON), "-S", "-c", "import main; print(main.app, main.handler, main.target)"],
        cwd=folder,
        env={"PYTHONPATH": str(folder), **dict.fromkeys(settings, "http://unused.invalid")},
        capture_output=True,
        text=True,
        check=False,
    )

    assert answer.returncode == 0, answer.stderr


@pytest.mark.parametrize("function", ["ingest", "dispatch"])
def test_a_hot_function_starts_without_what_only_others_need(function: str) -> None:
    heavy = (
        "'fastapi', 'httpx', 'mangum', 'postgrest', 'supabase', 'shared.signatures.schemes.stripe'"
    )
    code = f"import sys, functions.{function}.app, shared.runtimes; print({{{heavy}}} & {{*sys.modules}})"

    answer = subprocess.run(
        [sys.executable, "-c", code],
        cwd=bundle.ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    assert answer.stdout.strip() == "set()"


def test_the_same_sources_give_the_same_bytes(bundles: Bundles, tmp_path: Path) -> None:
    again = bundle.make("ingest", python=THIS_PYTHON, output=tmp_path)

    assert again.path.read_bytes() == bundles.made("ingest").read_bytes()


def test_telemetry_joins_a_bundle_only_if_it_is_asked_for(
    bundles: Bundles, bundles_with_telemetry: Bundles, tmp_path: Path
) -> None:
    def packages(path: Path) -> set[str]:
        with zipfile.ZipFile(path) as archive:
            return {name.partition("/")[0] for name in archive.namelist()}

    without, with_it = packages(bundles.made("ingest")), bundles_with_telemetry.made("ingest")
    again = bundle.make("ingest", python=THIS_PYTHON, output=tmp_path, telemetry=True)

    assert not {"opentelemetry", "google", "requests"} & without
    assert without | {"opentelemetry", "google", "requests"} <= packages(with_it)
    assert again.path.read_bytes() == with_it.read_bytes()
    assert again.unpacked <= again.limit == bundle.MAX_HOT + bundle.MAX_TELEMETRY


def test_a_bundle_for_arm_has_libraries_for_arm(tmp_path: Path) -> None:
    made = bundle.make("ingest", arch="arm64", output=tmp_path)

    with zipfile.ZipFile(made.path) as archive:
        libraries = [name for name in archive.namelist() if name.endswith(".so")]
        machines = {archive.read(name)[18:20] for name in libraries}
    assert made.path.name == "webhook-ingest-arm64.zip"
    assert machines == {(183).to_bytes(2, "little")}  # ELF's number for AArch64


def test_classify_says_that_it_cannot_run_on_arm(tmp_path: Path) -> None:
    with pytest.raises(bundle.BundleError, match="wordllama"):
        bundle.make("classify", arch="arm64", output=tmp_path)


def test_a_bundle_over_its_limit_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle, "MAX_HOT", bundle.MEGABYTE)

    with pytest.raises(bundle.BundleError, match=r"webhook-ingest\.zip has .* 1\.0 MB are allowed"):
        bundle.make("ingest", output=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_packages_that_cannot_be_had_are_told(tmp_path: Path) -> None:
    with pytest.raises(bundle.BundleError, match=r"ingest cannot be had for Python 3\.2"):
        bundle.make("ingest", python="3.2", output=tmp_path)
