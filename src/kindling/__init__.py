"""Kindling: who on this host talks to whom, counted in the kernel."""

__version__ = "0.1.0"
