"""Pure views of a snapshot: Prometheus text, JSON records, tables."""
