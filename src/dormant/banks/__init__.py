"""Data that ships for a language, and user files of the same form."""
