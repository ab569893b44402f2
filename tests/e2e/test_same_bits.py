# SPDX-License-Identifier: Apache-2.0
"""A row's answer does not depend on what else is in its batch: identical bits."""

import pytest

from messages import arrays_of, infer
from test_models import export, made_inputs  # noqa: F401


@pytest.mark.parametrize("batch", [7, 128])
def test_row_alone_and_in_a_batch(everything, export, batch):  # noqa: F811
    name, session = export
    stub = everything.stub()
    inputs = made_inputs(name, session, 128)
    alone = [arrays_of(stub.ModelInfer(
        infer(name, {k: v[n:n + 1] for k, v in inputs.items()}), timeout=30))
        for n in range(0, 128, 9)]
    for begin in range(0, 128 - batch + 1, batch):
        together = arrays_of(stub.ModelInfer(
            infer(name, {k: v[begin:begin + batch] for k, v in inputs.items()}), timeout=30))
        for n, single in zip(range(0, 128, 9), alone):
            if not begin <= n < begin + batch:
                continue
            for output, values in together.items():
                assert values[n - begin].tobytes() == single[output].tobytes(), (output, n)


def test_the_same_request_twice(everything, export):  # noqa: F811
    name, session = export
    stub = everything.stub()
    request = infer(name, made_inputs(name, session, 37))
    first, second = (stub.ModelInfer(request, timeout=30) for _ in range(2))
    assert list(first.raw_output_contents) == list(second.raw_output_contents)
