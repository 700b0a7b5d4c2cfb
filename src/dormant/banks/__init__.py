"""What ships for a language, and the files of a user that have the same form."""
