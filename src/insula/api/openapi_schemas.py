"""Forms of answers that many routes share, for the document of the API."""

from collections.abc import Mapping
from typing import Any

from insula.api.problems import PAGE

PROBLEM = {
    "type": "object",
    "description": "RFC 9457 problem details.",
    "required": ["type", "title", "status", "detail", "instance"],
    "properties": {
        "type": {
            "type": "string",
            "format": "uri-reference",
            "description": f"The kind, described at `{PAGE}`.",
        },
        "title": {"type": "string", "description": "The kind in words, the same each time."},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string", "description": "What is wrong this time."},
        "instance": {"type": "string", "format": "uri-reference", "description": "What was asked for."},
        "errors": {
            "type": "array",
            "description": "Each fault, with its place in the body (JSON pointer) or the parameter's name.",
            "items": {
                "type": "object",
                "required": ["detail"],
                "properties": {name: {"type": "string"} for name in ("detail", "pointer", "parameter")},
            },
        },
        "retry_after_s": {"type": "number", "description": "Seconds until it may be tried again."},
        "id": {"type": "string", "description": "Of an internal error: how the log names it."},
    },
}
FAILURE_2020 = {
    "type": "object",
    "required": ["success", "error"],
    "properties": {"success": {"const": False}, "error": {"type": "string"}},
}


def _object(*required: str) -> dict[str, Any]:
    return {"type": "object", "required": list(required)}


_NUMBERS = ("value", "percentage", "avg_temperature", "avg_humidity", "avg_luminance")
SUCCESS_2020 = {
    "type": "object",
    "required": ["success"],
    "properties": {
        "success": {"const": True},
        **{name: {"type": "number"} for name in _NUMBERS},
        "beacons": {
            "type": "array",
            "items": _object("uuid", "major", "minor", "room_number"),
        },
        "devices": {"type": "array", "items": _object("id", "name")},
        "pending": {"type": "array", "items": {"type": "string"}, "description": "Where to ask what became of it."},
    },
}
SCHEMAS: Mapping[str, Any] = {"Problem": PROBLEM, "Failure2020": FAILURE_2020, "Success2020": SUCCESS_2020}
"""By name."""
