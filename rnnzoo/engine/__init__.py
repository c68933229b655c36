"""The engine: loops over time and over trees, and back-propagation through them."""
