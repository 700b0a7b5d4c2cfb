"""Contexts of a finetuning file, ranked by what the answers tell of them."""
