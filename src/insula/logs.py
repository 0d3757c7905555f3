"""Structured logs on standard error: unbuffered, one line an event, on by default."""

import logging
import sys

import structlog

from insula.settings import LogSettings

QUIET = ("xknx", "zwave_js_server", "aiohttp", "uvicorn", "asyncio", "sqlalchemy", "alembic", "aiosqlite")
"""Libraries whose own logs are shown from warnings on; ``debug`` shows all of them."""


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
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processors=processors))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.DEBUG if level == logging.DEBUG else logging.WARNING)
