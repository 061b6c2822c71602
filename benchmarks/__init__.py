"""The numbers of the README: `make bench`."""
