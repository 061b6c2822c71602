"""Kindling: who on this host talks to whom, counted in the kernel."""
