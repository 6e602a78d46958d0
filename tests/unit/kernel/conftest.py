"""Every scenario runs on both kernels; the compiled one is built if it is not yet."""

import pytest

from engine.kernel import load_kernel
from engine.kernel.build import BuildError, build
from tests.unit.kernel.desk import Desk


@pytest.fixture(scope="session")
def compiled() -> str:
    """The compiled kernel's name, once it is built."""
    try:
        build()
    except BuildError as error:
        pytest.skip(str(error))
    return "compiled"


@pytest.fixture(params=["reference", "compiled"])
def kernel_name(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return request.getfixturevalue("compiled") if name == "compiled" else name


@pytest.fixture
def desk(kernel_name: str) -> Desk:
    """An empty kernel and the means to talk to it."""
    return Desk(load_kernel(kernel_name))
