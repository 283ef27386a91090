"""Numbers of ``/metrics`` by name."""

from __future__ import annotations

import pytest

from node.lab.metrics import read_metrics

TEXT = """
# HELP starling_media_bytes RTP bytes of the peers there are.
# TYPE starling_media_bytes gauge
starling_media_bytes{kind="link",direction="in"} 1.5e+06
# HELP starling_joins_total Joins.
# TYPE starling_joins_total counter
starling_joins_total 2.0
"""


def test_labels_are_part_of_the_name() -> None:
    assert read_metrics(TEXT) == {
        'starling_media_bytes{direction="in",kind="link"}': 1.5e6,
        "starling_joins_total": 2.0,
    }


def test_what_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="invalid metric name"):
        read_metrics("<html>oh no</html>")
