"""Tells what workloads do for the first time: metrics, JSON lines, a webhook."""

from kindling.alerts.alert import Alert
from kindling.alerts.alerting import Alerting

__all__ = ["Alert", "Alerting"]
