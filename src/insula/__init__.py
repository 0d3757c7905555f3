"""Insula runs a smart building: KNX and Z-Wave over Apache Kafka, with rules, history and an API."""

__version__ = "0.1.0"
