"""Nouns and contracts. Imports only the standard library, msgspec and blake3."""
