"""The Grafana dashboard in docs asks for metrics and labels that are there."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from twin.client import TwinClient

DASHBOARD = Path(__file__).resolve().parents[3] / "docs" / "grafana-dashboard.json"
SELECTOR = re.compile(r"\b((?:qtwin|process)_\w+)(?:\{([^}]*)\})?")
GROUPING = re.compile(r"by \(([^)]*)\)")
OF_THE_SCRAPE = {"job", "instance"}  # labels that Prometheus adds


@pytest.fixture(scope="module")
def dashboard() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    return document


def expressions(dashboard: dict[str, Any]) -> list[str]:
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    return asked + [each["query"]["query"] for each in dashboard["templating"]["list"] if each["type"] == "query"]


def test_every_metric_and_label_of_the_dashboard_is_exported(
    dashboard: dict[str, Any], client: TwinClient, http: httpx.Client
) -> None:
    client.command("repetition29_like", "reset")
    client.wait_for_job(client.submit_job("repetition29_like", [{"stim": "X 0\nM 0"}], shots=10)["job_id"])
    session = client.create_session("repetition29_like", code_family="repetition", code_distance=3)["session_id"]
    client.correct(session, client.syndrome(session, 0)["round_index"], [0, 0])
    labels: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(http.get("/metrics/prometheus").text):
        for sample in family.samples:
            labels.setdefault(sample.name, set()).update(sample.labels)
    for expression in expressions(dashboard):
        found = SELECTOR.findall(expression)
        assert found, expression
        for name, selector in found:
            assert name in labels, f"{name} is not exported ({expression})"
            known = labels[name] | OF_THE_SCRAPE
            assert set(re.findall(r"(\w+)(?:=~|!~|!=|=)", selector)) <= known, expression
            for grouping in GROUPING.findall(expression):
                assert {label.strip() for label in grouping.split(",")} <= known, expression


def test_the_dashboards_panels_are_in_order(dashboard: dict[str, Any]) -> None:
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in dashboard["panels"]]
    assert len(set(places)) == len(places)
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in dashboard["panels"])
