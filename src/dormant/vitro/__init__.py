"""vitro."""
