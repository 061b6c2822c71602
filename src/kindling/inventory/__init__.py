"""The durable list of what this host reaches outside itself."""
