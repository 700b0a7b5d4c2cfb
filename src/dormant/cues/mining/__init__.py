"""Mining: from examples to candidates to ranked cues. Only ``cues`` itself enters here."""
