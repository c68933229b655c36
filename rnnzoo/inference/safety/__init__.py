"""Checks of SavedModels and `.keras` files before they are loaded."""
