"""Metrics and spans to an OpenTelemetry collector. Imported only where it is on: docs/otlp.md."""

from kindling.otlp.exporter import OtlpExporter

__all__ = ["OtlpExporter"]
