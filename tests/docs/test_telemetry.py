"""The metrics that the documents tell are those that are recorded."""

from __future__ import annotations

from typing import Any

from opentelemetry.metrics import NoOpMeter
from typing_extensions import override

from shared import telemetry
from shared.telemetry.instruments import Instruments
from tests.docs.documents import README, codes, document


class Named(NoOpMeter):
    """Keeps names and units of what is made with it."""

    def __init__(self) -> None:
        super().__init__("docs")
        self.made: dict[str, str] = {}

    @override
    def create_counter(self, name: str, unit: str = "", description: str = "") -> Any:
        self.made[name] = unit
        return super().create_counter(name, unit, description)

    @override
    def create_histogram(
        self, name: str, unit: str = "", description: str = "", **options: Any
    ) -> Any:
        self.made[name] = unit
        return super().create_histogram(name, unit, description, **options)


def test_every_metric_is_told_with_its_unit() -> None:
    rows = document("functions/deploy/README.md").table("Telemetry", "metric")
    meter = Named()
    Instruments(meter)

    assert {codes(row["metric"])[0]: codes(row["unit"])[0] for row in rows} == meter.made


def test_every_variable_that_switches_it_is_told() -> None:
    told = {
        name
        for row in README.table("Traces and metrics", "variable")
        for name in codes(row["variable"])
    }

    for name in told:
        if name.endswith("ENDPOINT"):
            assert telemetry.wanted({name: "http://127.0.0.1:4318"})
    assert telemetry.wanted({"OTEL_EXPORTER_OTLP_ENDPOINT": "x", "OTEL_SDK_DISABLED": "true"}) == []
    assert {"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_SDK_DISABLED"} <= told
