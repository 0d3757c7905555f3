"""Structured logs on standard error: unbuffered, one line an event, on by default."""

import logging
import sys

import structlog

from insula.settings import LogSettings

QUIET = {
    "insula.kafka": logging.CRITICAL,  # librdkafka: each refused connection of each client, which our log says once
    "xknx": logging.ERROR,  # it warns of each lost tunnel, which our own log says once
    "zwave_js_server": logging.WARNING,
    "aiohttp": logging.WARNING,
    "uvicorn": logging.WARNING,
    "asyncio": logging.WARNING,
    "sqlalchemy": logging.WARNING,
    "alembic": logging.WARNING,
    "aiosqlite": logging.WARNING,
    "httpx": logging.WARNING,
}
"""Libraries, and from which level on their own logs are shown; ``debug`` shows all of them but ``SECRETIVE``."""

SECRETIVE = {"sqlalchemy": logging.INFO, "aiosqlite": logging.WARNING}
"""Below that they show what the database holds, and so rooms' codes and hashes of passwords."""


def configure(settings: LogSettings) -> None:
    """Set up logging for this process; called once, by the command line."""
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if settings.format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    _send_library_logs_here([*shared, renderer], level)


def _send_library_logs_here(processors: list[structlog.typing.Processor], level: int) -> None:
    handler = logging.StreamHandler(sys.stderr)
    formatter = structlog.stdlib.ProcessorFormatter
    handler.setFormatter(formatter(processors=[formatter.remove_processors_meta, *processors]))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name, quiet in QUIET.items():
        shown = SECRETIVE.get(name, logging.DEBUG) if level == logging.DEBUG else quiet
        logging.getLogger(name).setLevel(shown)
