"""Readers, tokenization, vocabularies and batching: from files to arrays."""
