"""Usage, prices and budgets of models that cost money."""
