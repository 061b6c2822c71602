"""Where the tables come from: a running kernel (live) or a capture file (replay). Both satisfy `source.Source`."""
