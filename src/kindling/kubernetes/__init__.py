"""What a cluster's API server tells: pods, services, nodes, and who owns them."""
