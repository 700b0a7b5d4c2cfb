"""A uniform sample of rows that are read one at a time, in bounded memory."""

from __future__ import annotations

import random
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Reservoir(Generic[Item]):
    """Keeps a uniform sample of everything that is added (Vitter 1985, algorithm R).

    The same items in the same order give the same sample for the same seed.
    """

    def __init__(self, size: int | None, seed: int) -> None:
        """Begins an empty sample.

        Args:
            size: most items that are kept, at least 1; None for all.
            seed: of the random choice.
        """
        self.items: list[Item] = []
        self.seen = 0  # items that were added
        self._size = size
        self._random = random.Random(seed)

    def add(self, item: Item) -> None:
        """Adds an item, which may take the place of an earlier one."""
        self.seen += 1
        if self._size is None or self.seen <= self._size:
            self.items.append(item)
            return
        place = self._random.randrange(self.seen)
        if place < self._size:
            self.items[place] = item

    @property
    def is_sample(self) -> bool:
        """Whether some of the items were left out."""
        return self.seen > len(self.items)
