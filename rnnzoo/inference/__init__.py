"""Use of trained models: safe loading, and predictions for lines of text."""
