"""The compiled kernel is built if it is not yet; without a C compiler nothing can be compared."""

import pytest

from engine.kernel.build import BuildError, build


@pytest.fixture(scope="session", autouse=True)
def compiled() -> None:
    try:
        build()
    except BuildError as error:
        pytest.skip(str(error))
