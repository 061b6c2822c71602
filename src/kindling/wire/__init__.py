"""Formats as they lie in memory and files: bytes in, value out. Knows nothing of the kernel's calls."""
