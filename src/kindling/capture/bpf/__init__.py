"""The kernel's bpf(2) without a library: load an object, attach its programs, map its tables."""
