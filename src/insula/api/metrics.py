"""``GET /metrics``: this process and its requests, and every part by what it tells, for Prometheus."""

from collections.abc import Callable, Iterator, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, Any

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from insula import __version__
from insula.api.access import may, needs
from insula.api.asking import Asked, origin_of, signed_of
from insula.api.bodies import gives
from insula.api.errors import Forbidden
from insula.api.health import HealthBoard
from insula.api.part_metrics import BY_PART
from insula.api.requests import BOUNDS_S, Requests
from insula.bus.channel import Channel
from insula.errors import InputError
from insula.store.engine import Store

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

Network = IPv4Network | IPv6Network
OPEN_METRICS, CLASSIC = "application/openmetrics-text", "text/plain"


class Metrics:
    """A collector of prometheus-client's, which is loaded when somebody asks. ``live``: clients that follow something
    now."""

    def __init__(
        self, requests: Requests, health: HealthBoard, channel: Channel, store: Store, live: Callable[[], int]
    ) -> None:
        self._requests = requests
        self._health = health
        self._channel = channel
        self._store = store
        self._live = live

    def collect(self) -> "Iterator[Metric]":
        from prometheus_client import PROCESS_COLLECTOR

        yield from PROCESS_COLLECTOR.collect()
        yield from self._process()
        yield from self._answered()
        yield from self._parts()

    def _process(self) -> "Iterator[Metric]":
        from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily

        yield InfoMetricFamily("insula_build", "The version that answers.", {"version": __version__})
        yield GaugeMetricFamily("insula_live_clients", "Clients that follow something now.", self._live())
        in_use, kept = self._store.connections()
        yield GaugeMetricFamily("insula_database_connections", "Connections to the database in use.", in_use)
        yield GaugeMetricFamily("insula_database_pool_size", "Connections that are kept open.", kept)
        dropped = self._channel.bus.dropped()
        yield CounterMetricFamily("insula_bus_dropped_resends", "Unchanged readings dropped for slow readers.", dropped)
        about = "Records that a reader is behind who holds publishers up."
        slow = GaugeMetricFamily("insula_bus_slow_reader_records", about, None, ["reader"])
        for reader, records in self._channel.bus.slow_readers().items():
            slow.add_metric([reader], records)
        yield slow

    def _answered(self) -> "Iterator[Metric]":
        from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily

        answers = CounterMetricFamily("insula_http_requests", "Requests answered.", None, ["method", "route", "status"])
        for (method, route, status), count in sorted(self._requests.answers.items()):
            answers.add_metric([method, route, str(status)], count)
        yield answers
        times = HistogramMetricFamily(
            "insula_http_request_duration_seconds", "Until the answer was sent.", labels=["method", "route"]
        )
        for which, buckets in sorted(self._requests.times.items()):
            times.add_metric(list(which), list(_cumulated(buckets)), self._requests.seconds[which])
        yield times

    def _parts(self) -> "Iterator[Metric]":
        from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily

        up = GaugeMetricFamily("insula_part_up", "1: it says that it is well.", None, ["part", "name"])
        link = GaugeMetricFamily("insula_gateway_link_up", "1: its link to the field is up.", None, ["name"])
        found: dict[str, Any] = {}
        for health, well in self._health.each():
            up.add_metric([health.part, health.instance], float(well))
            if health.part == "gateway":
                link.add_metric([health.instance], float(well))
            for name, value in health.counters.items():
                metric = BY_PART.get(health.part, {}).get(name)
                if metric is None:
                    continue
                labels = ["name", *([metric.label[0]] if metric.label else [])]
                make = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
                family = found.setdefault(metric.name, make(f"insula_{metric.name}", metric.about, None, labels))
                family.add_metric([health.instance, *([metric.label[1]] if metric.label else [])], value * metric.scale)
        yield from (up, link, *found.values())


def _cumulated(buckets: Sequence[int]) -> Iterator[tuple[str, float]]:
    """Each with all before it, as Prometheus counts them."""
    total = 0
    for bound, count in zip((*map(str, BOUNDS_S), "+Inf"), buckets, strict=True):
        total += count
        yield bound, total


def metrics_route(metrics: Metrics, readers: str) -> HTTPRouteHandler:
    """``readers``: networks (``10.0.0.0/24,::1``) whose hosts need not sign in. Raises InputError."""
    networks = list(_networks(readers))

    @get(
        "/metrics",
        summary="This process and every part, for Prometheus",
        tags=["operation"],
        media_type=CLASSIC,
        opt={**needs("nothing", 401, 403), **gives(OPEN_METRICS)},
    )
    async def measured(request: Asked) -> Response[bytes]:
        """For who may see everything, and for the hosts that the setting ``api.metrics_readers`` names. OpenMetrics
        for who accepts it."""
        if not _is_reader(origin_of(request).address, networks):
            signed_of(request)
            if not may(request, "see", None):
                raise Forbidden("for who may see everything")
        from prometheus_client.exposition import choose_encoder

        encode, type_ = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(metrics), media_type=type_)

    return measured


def _networks(readers: str) -> Iterator[Network]:
    for text in filter(None, map(str.strip, readers.split(","))):
        try:
            yield ip_network(text)
        except ValueError as error:
            raise InputError(f"api.metrics_readers: {error}") from None


def _is_reader(address: str, networks: Sequence[Network]) -> bool:
    try:
        found = ip_address(address)
    except ValueError:
        return False
    return any(found in network for network in networks)
