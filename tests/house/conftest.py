import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that take a minute start first, so that no worker waits for them at the end."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
