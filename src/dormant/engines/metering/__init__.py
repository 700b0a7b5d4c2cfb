"""What models that cost money have used, at which price, and within which budget."""
