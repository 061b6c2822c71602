from collections.abc import Iterator

import pytest

from unit.inventory.store_factory import close_all


@pytest.fixture(autouse=True)
def stores_are_closed() -> Iterator[None]:
    yield
    close_all()
