"""The agent: attach, read the tables every second, serve what they hold, detach."""
