"""Helpers that know nothing of networks: command line, JSON files, locks, figures, memory, start-up."""
