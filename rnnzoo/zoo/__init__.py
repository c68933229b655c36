"""Pretrained models: recipes, how they are built, their cards, and their verification."""
