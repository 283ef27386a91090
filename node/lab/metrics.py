"""What a node's ``/metrics`` said, as numbers by name; labels are part of the name, as Prometheus writes them."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

__all__ = ["read_metrics"]


def read_metrics(text: str) -> dict[str, float]:
    """Read the exposition format.

    Raises:
        ValueError: This is none.
    """
    figures: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            figures[f"{sample.name}{{{labels}}}" if labels else sample.name] = float(sample.value)
    return figures
