"""The settings that the documents name are those that the code reads."""

from __future__ import annotations

import json
import re

from pydantic.fields import FieldInfo

import layout
from functions.api.settings import ApiSettings
from functions.classify.settings import ClassifySettings
from functions.cli.settings import CliSettings
from functions.console.settings import ConsoleSettings
from functions.dispatch.settings import DispatchSettings
from functions.ingest.settings import IngestSettings
from functions.prepare_for_rules.settings import PrepareForRulesSettings
from functions.process_rules.settings import ProcessRulesSettings
from shared.settings import Settings
from tests.docs.documents import README, ROOT, codes, document, names
from tests.running_stack import RunningStack

CLASSES: tuple[type[Settings], ...] = (
    ApiSettings,
    ClassifySettings,
    CliSettings,
    ConsoleSettings,
    DispatchSettings,
    IngestSettings,
    PrepareForRulesSettings,
    ProcessRulesSettings,
)
MAIN, FINER, LOCAL = (table.rows for table in README.tables if table.heading == "Settings")


def read_by_functions() -> dict[str, FieldInfo]:
    """Every field of every function's settings, by its environment variable."""
    return {
        name.upper(): field for settings in CLASSES for name, field in settings.model_fields.items()
    }


def read_by_the_stack() -> set[str]:
    """What the scripts of the local stack take out of .env or the environment."""
    scripts = "".join(path.read_text() for path in layout.LOCAL.glob("*.py"))
    return set(re.findall(r'"([A-Z]+(?:_[A-Z]+)+)"', scripts))


def example() -> list[str]:
    return re.findall(r"^([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)


def test_there_is_a_settings_class_of_each_function() -> None:
    folders = {path.parent.name for path in (ROOT / "functions").glob("*/settings.py")}

    assert {settings.__module__.split(".")[1] for settings in CLASSES} == folders


def test_env_example_has_all_main_settings_and_no_others() -> None:
    assert example() == names(MAIN, "variable")


def test_make_up_writes_all_main_settings_and_no_others(stack: RunningStack) -> None:
    assert set(stack.values) - {"ENV_FILE"} == set(names(MAIN, "variable"))


def test_every_main_setting_is_read_by_something() -> None:
    assert set(names(MAIN, "variable")) <= read_by_functions().keys() | read_by_the_stack()


def test_what_functions_cannot_do_without_is_a_main_setting() -> None:
    needed = {name for name, field in read_by_functions().items() if field.is_required()}

    assert needed <= set(names(MAIN, "variable"))


def test_every_other_setting_of_a_function_is_told_with_its_default() -> None:
    told = {codes(row["variable"])[0]: codes(row["default"]) for row in FINER}
    main = set(names(MAIN, "variable"))

    assert told == {
        name: [json.dumps(field.default)]
        for name, field in read_by_functions().items()
        if name not in main
    }


def test_every_setting_of_the_local_stack_is_told_with_its_default() -> None:
    told = {codes(row["variable"])[0]: codes(row["default"])[0] for row in LOCAL}
    own = {name for name in read_by_the_stack() if name.startswith("SWITCHHOOK_")}
    layout_text = (layout.LOCAL / "layout.py").read_text()
    ports = dict(re.findall(r'"(SWITCHHOOK_\w+_PORT)", "\w+", (\d+)\)', layout_text))

    assert told == {"ENV_FILE": ".env", "SWITCHHOOK_STACK_DIR": ".stack", **ports}
    assert own <= told.keys()


def test_the_stacks_own_readme_tells_the_same_ports() -> None:
    rows = document("supabase/README.md").table("The embedded stack", "service")
    ports = {codes(row["setting"])[0]: row["port"] for row in rows if row["setting"]}
    told = {codes(row["variable"])[0]: codes(row["default"])[0] for row in LOCAL}

    assert ports == {name: told[name] for name in told if name.endswith("_PORT")}
