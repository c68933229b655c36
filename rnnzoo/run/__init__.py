"""Training runs from the command line: options, stages, run directory and loggers."""
