"""General helpers, independent of networks: command line, JSON files, locks, figures, memory, start-up."""
