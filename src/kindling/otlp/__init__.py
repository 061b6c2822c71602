"""Metrics and spans to an OpenTelemetry collector."""
