"""``/metrics``: the statistics of all services as Prometheus reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from prometheus_client.core import CollectorRegistry, CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector
from quart import Blueprint, Response
from typing_extensions import override

from node.http.backend import Sample

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from prometheus_client.metrics_core import Metric

    from node.http.api import Api

PREFIX: Final = "starling_"

_gauge, _counter = Sample.gauge, Sample.counter


def metrics_blueprint(api: Api) -> Blueprint:
    """Make the resource."""
    blueprint = Blueprint("metrics", __name__)

    @blueprint.get("/metrics")
    async def metrics() -> Response:
        """Read the services' statistics now; nothing is counted here."""
        samples = (*await api.backend.samples(), *_http_samples(api))
        registry = CollectorRegistry()
        registry.register(_Samples(samples))
        return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)

    return blueprint


def _http_samples(api: Api) -> Iterable[Sample]:
    sockets = api.connections
    yield _gauge("websockets", "WebSockets now.", sockets.open)
    yield _counter("websockets_opened_total", "WebSockets that were opened.", sockets.opened)
    yield _counter("websocket_requests_total", "Requests of clients on WebSockets.", sockets.requests)
    for cause, count in sorted(sockets.ended.items()):
        yield _counter("websockets_ended_total", "WebSockets that ended, by cause.", count, cause=cause)
    if api.guard is not None:
        seen = api.guard.statistics()
        yield _gauge("http_connections", "TCP connections now.", seen.open)
        yield _counter("http_connections_accepted_total", "TCP connections that were let in.", seen.accepted)
        for cause in ("refused", "crashed", "stuck"):
            sentence = "TCP connections that were ended or not let in, by cause."
            yield _counter("http_connections_dropped_total", sentence, getattr(seen, cause), cause=cause)


class _Samples(Collector):
    """Groups samples into families, as the exposition format wants them."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self._samples = samples

    @override
    def collect(self) -> Iterable[Metric]:
        families: dict[str, Metric] = {}
        for sample in self._samples:
            family = families.get(sample.name)
            if family is None:
                kind = CounterMetricFamily if sample.kind == "counter" else GaugeMetricFamily
                family = families[sample.name] = kind(PREFIX + sample.name, sample.help)
            name = PREFIX + sample.name
            family.add_sample(name, dict(sample.labels), sample.value)
        return families.values()
