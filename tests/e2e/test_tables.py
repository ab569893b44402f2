# SPDX-License-Identifier: Apache-2.0
"""Embedding tables over the wire, held against numpy."""

import os
import pathlib
import re
import shutil
import signal
import threading
import time

import numpy as np
import pytest
from tritonclient.utils import InferenceServerException

from server import FIXTURES, ROOT, SANITIZED, Server, run
from tables import (RESIDENT, Client, best, pool, resident_rows, similarity, texts, to_bf16,
                    write_model, write_safetensors)

DIMS = [1, 3, 64, 127, 1024]
METRICS = ["dot", "cosine", "l2"]
POOLS = ["sum", "mean", "max"]
ROWS = 53
WORDS = [f"sku-{i}" for i in range(ROWS)]
NUMBERS = np.arange(ROWS, dtype=np.int64) * 7919 - 100


def random_rows(rows, dim):
    return np.random.default_rng(dim).standard_normal((rows, dim)).astype(np.float32)


def small_rows():
    """Small whole numbers: scores are exact, and many are equal."""
    return np.random.default_rng(5).integers(-1, 2, (ROWS, 3)).astype(np.float32)


def make_every_kind(root):
    for dim in DIMS:
        np.save(root / f"{dim}.npy", random_rows(ROWS, dim))
        for resident in RESIDENT:
            common = {"file": f"{dim}.npy", "resident": resident}
            write_model(root, f"gather_{dim}_{resident}", operation="gather", **common)
            for kind in POOLS:
                write_model(root, f"pool_{dim}_{resident}_{kind}", operation="pool", pool=kind,
                            **common)
            for metric in METRICS:
                write_model(root, f"score_{dim}_{resident}_{metric}", operation="score",
                            metric=metric, **common)
                write_model(root, f"topk_{dim}_{resident}_{metric}", operation="topk",
                            metric=metric, **common)


def make_special(root):
    np.save(root / "one.npy", random_rows(1, 3))
    np.save(root / "small.npy", small_rows())
    nan = small_rows()
    nan[[0, 7]] = np.nan
    np.save(root / "nan.npy", nan)
    rows = random_rows(ROWS, 64)
    write_safetensors(root / "halves.safetensors",
                      {"half": rows.astype(np.float16), "brain": to_bf16(rows)})
    (root / "words.txt").write_text("".join(f"{w}\n" for w in WORDS))
    np.save(root / "numbers.npy", NUMBERS)
    for operation in ("gather", "pool", "score", "topk"):
        write_model(root, f"one_{operation}", operation=operation, file="one.npy")
        for missing in ("error", "zero"):
            common = {"operation": operation, "file": "small.npy", "missing": missing}
            write_model(root, f"rows_{operation}_{missing}", **common)
            write_model(root, f"words_{operation}_{missing}", keys="words.txt", **common)
            write_model(root, f"numbers_{operation}_{missing}", keys="numbers.npy", **common)
    for kind in ("mean", "max"):
        write_model(root, f"zero_{kind}", operation="pool", pool=kind, missing="zero",
                    file="small.npy")
    write_model(root, "nan", operation="topk", file="nan.npy")
    write_model(root, "limits", operation="topk", file="small.npy", k="4", k_max="20")
    for name in ("half", "brain"):
        write_model(root, name, operation="gather", file="halves.safetensors", tensor=name)


def make_encoded(root):
    for name in ("identity_fp32", "torch_mlp"):
        (root / name / "1").mkdir(parents=True)
        shutil.copy(FIXTURES / name / "model.onnx", root / name / "1" / "model.onnx")
    history = {"operation": "pool", "pool": "mean", "file": "small.npy"}
    write_model(root, "history", **history)
    write_model(root, "history_topk", operation="topk", file="small.npy", encoder="history")
    write_model(root, "identity_topk", operation="topk", file="small.npy",
                encoder="identity_fp32")
    write_model(root, "identity_score", operation="score", file="small.npy",
                encoder="identity_fp32")
    write_model(root, "mlp_topk", operation="topk", file="1.npy", encoder="torch_mlp")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    root = tmp_path_factory.mktemp("tables")
    make_every_kind(root)
    make_special(root)
    make_encoded(root)
    with Server(root, pages=True) as started:
        yield started


@pytest.fixture(scope="module")
def ask(server):
    client = Client(server)
    yield client
    client.close()
    assert server.alive(), server.log()


def refused(ask, model, message, **request):
    with pytest.raises(InferenceServerException) as caught:
        ask(model, **request)
    assert caught.value.status() == "StatusCode.INVALID_ARGUMENT", caught.value
    assert re.match(f'model "{model}": {message}', caught.value.message()), caught.value


# ---- every operation, residence and metric, by size -----------------------------------------


def resident_bound(rows, resident):
    """How far an element may be from numpy's: int8 encodes may round the other way."""
    if resident != "int8":
        return np.zeros((rows.shape[0], 1))
    return (rows.max(1, keepdims=True) - rows.min(1, keepdims=True)) / 255 * 1.01


@pytest.mark.parametrize("resident", RESIDENT)
@pytest.mark.parametrize("dim", DIMS)
def test_gather(ask, dim, resident):
    rows = random_rows(ROWS, dim)
    bound = np.broadcast_to(resident_bound(rows, resident) + 1e-7, rows.shape)
    expected = resident_rows(rows, resident)
    for shape in [(), (0,), (5,), (2, 3), (2, 0), (1, 2, 3), (1,) * 7]:
        ids = np.random.default_rng(len(shape)).integers(0, ROWS, shape)
        got = ask(f"gather_{dim}_{resident}", IDS=ids)["VECTORS"]
        assert got.shape == shape + (dim,) and got.dtype == np.float32
        assert (np.abs(got - expected[ids]) <= bound[ids]).all()
        if resident == "mmap":
            assert (got == rows[ids]).all()


@pytest.mark.parametrize("kind", POOLS)
@pytest.mark.parametrize("resident", RESIDENT)
@pytest.mark.parametrize("dim", DIMS)
def test_pool(ask, dim, resident, kind):
    model = f"pool_{dim}_{resident}_{kind}"
    held = ask(f"gather_{dim}_{resident}", IDS=np.arange(ROWS))["VECTORS"]
    generator = np.random.default_rng(dim)
    for b, n in [(1, 1), (3, 7), (2, 300), (2, 0), (0, 4), (0, 0)]:
        ids = generator.integers(-1, ROWS, (b, n))
        ids[:1] = -1  # a bag of nothing but pads
        weights = generator.standard_normal((b, n)).astype(np.float32)
        got = ask(model, IDS=ids)["POOLED"]
        np.testing.assert_allclose(got, pool(held, ids, kind), rtol=1e-5, atol=1e-4)
        got = ask(model, IDS=ids, WEIGHTS=weights)["POOLED"]
        np.testing.assert_allclose(got, pool(held, ids, kind, weights), rtol=1e-5, atol=1e-4)


def score_bound(dim, metric):
    return 1e-6 if metric == "cosine" else 4e-6 * dim ** 0.5 * max(1, dim ** 0.5)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("resident", RESIDENT)
@pytest.mark.parametrize("dim", DIMS)
def test_score(ask, dim, resident, metric):
    held = ask(f"gather_{dim}_{resident}", IDS=np.arange(ROWS))["VECTORS"]
    generator = np.random.default_rng(dim + 1)
    for b, n in [(1, 1), (3, 70), (2, 0), (0, 4)]:
        query = generator.standard_normal((b, dim)).astype(np.float32)
        ids = generator.integers(-1, ROWS, (b, n))
        got = ask(f"score_{dim}_{resident}_{metric}", QUERY=query, IDS=ids)["SCORES"]
        expected = np.take_along_axis(similarity(query, held, metric), np.maximum(ids, 0), 1)
        expected[ids < 0] = -np.inf
        np.testing.assert_allclose(got, expected, rtol=0, atol=score_bound(dim, metric))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("resident", RESIDENT)
@pytest.mark.parametrize("dim", DIMS)
def test_topk(ask, dim, resident, metric):
    held = ask(f"gather_{dim}_{resident}", IDS=np.arange(ROWS))["VECTORS"]
    generator = np.random.default_rng(dim + 2)
    for b, k in [(1, 10), (17, 3), (2, ROWS), (2, ROWS + 9), (0, 10)]:
        query = generator.standard_normal((b, dim)).astype(np.float32)
        scores = similarity(query, held, metric)
        bound = score_bound(dim, metric)
        got = ask(f"topk_{dim}_{resident}_{metric}", QUERY=query, parameters={"k": k})
        ids, values = got["IDS"], got["SCORES"]
        assert ids.shape == values.shape == (b, k)
        np.testing.assert_allclose(values, best(scores, k)[1], rtol=0, atol=bound)
        kept = min(k, ROWS)
        assert (ids[:, kept:] == -1).all()
        assert all(len(set(row)) == kept for row in ids[:, :kept])
        own = np.take_along_axis(scores, ids[:, :kept], 1)
        np.testing.assert_allclose(values[:, :kept], own, rtol=0, atol=bound)


@pytest.mark.parametrize("metric", METRICS)
def test_scores_have_the_same_bits_in_any_company(ask, metric):
    query = random_rows(40, 127)
    whole = ask(f"topk_127_mmap_{metric}", QUERY=query, parameters={"k": ROWS})
    for b in (0, 13, 39):
        alone = ask(f"topk_127_mmap_{metric}", QUERY=query[b:b + 1], parameters={"k": ROWS})
        assert (alone["IDS"][0] == whole["IDS"][b]).all()
        assert alone["SCORES"][0].tobytes() == whole["SCORES"][b].tobytes()
        scored = ask(f"score_127_mmap_{metric}", QUERY=query[b:b + 1], IDS=alone["IDS"])
        assert scored["SCORES"].tobytes() == alone["SCORES"].tobytes()


def test_stored_halves(ask):
    rows = random_rows(ROWS, 64)
    ids = np.arange(ROWS)
    assert (ask("half", IDS=ids)["VECTORS"] == resident_rows(rows, "fp16")).all()
    assert (ask("brain", IDS=ids)["VECTORS"] == resident_rows(rows, "bf16")).all()


def test_one_row(ask):
    row = random_rows(1, 3)
    assert (ask("one_gather", IDS=np.zeros((2, 2), np.int64))["VECTORS"] == row[0]).all()
    assert (ask("one_pool", IDS=np.array([[-1, 0]]))["POOLED"] == row).all()
    got = ask("one_topk", QUERY=row, parameters={"k": 3})
    assert got["IDS"].tolist() == [[0, -1, -1]]
    assert got["SCORES"][0, 1:].tolist() == [-np.inf] * 2
    score = ask("one_score", QUERY=row, IDS=np.array([[0, -1]]))["SCORES"]
    assert score[0].tolist() == [got["SCORES"][0, 0], -np.inf]


# ---- topk: ties, filters, k ------------------------------------------------------------------


def exact(ask, model, query, k, keep=None, **filters):
    """Exactly numpy's ids and scores; @keep says which rows count, per query."""
    scores = similarity(query, small_rows(), "dot")
    if keep is not None:
        scores[~keep] = np.nan
    ids, values = best(scores, k)
    got = ask(model, QUERY=query, parameters={"k": k}, **filters)
    assert got["IDS"].tolist() == ids.tolist()
    assert got["SCORES"].tolist() == values.tolist()


QUERIES = np.random.default_rng(6).integers(-2, 3, (9, 3)).astype(np.float32)


@pytest.mark.parametrize("k", [1, 2, 10, ROWS, 200])
def test_ties_go_to_the_lower_row(ask, k):
    exact(ask, "rows_topk_error", QUERIES, k)
    exact(ask, "rows_topk_error", np.zeros((1, 3), np.float32), k)


@pytest.mark.parametrize("k", [1, 10, ROWS])
def test_filters(ask, k):
    generator = np.random.default_rng(k)
    exclude = generator.integers(-1, ROWS, (9, 20))
    include = generator.integers(-1, ROWS, (9, 30))  # some twice
    include[3] = -1
    in_exclude = np.array([np.isin(np.arange(ROWS), row) for row in exclude])
    in_include = np.array([np.isin(np.arange(ROWS), row) for row in include])
    exact(ask, "rows_topk_error", QUERIES, k, ~in_exclude, EXCLUDE=exclude)
    exact(ask, "rows_topk_error", QUERIES, k, in_include, INCLUDE=include)
    exact(ask, "rows_topk_error", QUERIES, k, in_include & ~in_exclude, EXCLUDE=exclude,
          INCLUDE=include)
    nothing = np.zeros((9, 0), np.int64)
    exact(ask, "rows_topk_error", QUERIES, k, EXCLUDE=nothing)
    exact(ask, "rows_topk_error", QUERIES, k, np.zeros((9, ROWS), bool), INCLUDE=nothing)


def test_nan_rows_are_never_returned(ask):
    scores = similarity(QUERIES, small_rows(), "dot")
    scores[:, [0, 7]] = np.nan
    got = ask("nan", QUERY=QUERIES, parameters={"k": ROWS})
    assert got["IDS"].tolist() == best(scores, ROWS)[0].tolist()


@pytest.mark.parametrize("k, given", [(None, None), (7, 7), (7, "7"), (7, 7.0), (20, 20)])
def test_k(ask, k, given):
    parameters = None if given is None else {"k": given}
    got = ask("limits", QUERY=QUERIES, parameters=parameters)
    assert got["IDS"].shape == (9, k or 4)


@pytest.mark.parametrize("given", [0, -1, 21, "21", 1 << 62, 2.5, float("inf"), True, "", "ten"])
def test_k_refused(ask, given):
    refused(ask, "limits", r'parameter "k": expected .*1 to 20', QUERY=QUERIES,
            parameters={"k": given})


def test_one_output_alone(ask):
    both = ask("rows_topk_error", QUERY=QUERIES)
    for name in ("IDS", "SCORES"):
        one = ask("rows_topk_error", QUERY=QUERIES, outputs=[name])
        assert list(one) == [name] and (one[name] == both[name]).all()
    assert (ask("words_topk_error", QUERY=QUERIES, outputs=["SCORES"])["SCORES"] ==
            both["SCORES"]).all()


# ---- keys and missing ids ---------------------------------------------------------------------


def with_keys(kind, ids):
    """Rows as what a client of that table sends; 999 is one that the table has not."""
    ids = np.asarray(ids)
    if kind == "rows":
        return ids
    if kind == "numbers":
        return np.where(ids == 999, 12345, np.where(ids < 0, -1, NUMBERS[ids % ROWS]))
    return texts([["absent" if i == 999 else "" if i < 0 else WORDS[i] for i in row]
                  for row in ids])


@pytest.mark.parametrize("kind", ["rows", "words", "numbers"])
def test_keys(ask, kind):
    rows, ids = small_rows(), [[3, 52, 0], [-1, 7, 7]]
    keys = with_keys(kind, ids)
    got = ask(f"{kind}_gather_error", IDS=with_keys(kind, [[3, 52, 0]]))["VECTORS"]
    assert (got == rows[[[3, 52, 0]]]).all()
    got = ask(f"{kind}_pool_error", IDS=keys)["POOLED"]
    assert (got == pool(rows, np.array(ids), "sum")).all()
    scores = similarity(QUERIES[:2], rows, "dot")
    got = ask(f"{kind}_score_error", QUERY=QUERIES[:2], IDS=keys)["SCORES"]
    assert got[0].tolist() == scores[0, ids[0]].tolist()
    assert got[1].tolist() == [-np.inf, *scores[1, [7, 7]]]
    scores[0, ids[0]] = scores[1, 7] = np.nan
    got = ask(f"{kind}_topk_error", QUERY=QUERIES[:2], EXCLUDE=keys, parameters={"k": 60})
    assert (got["IDS"] == with_keys(kind, best(scores, 60)[0])).all()


@pytest.mark.parametrize("kind, what", [
    ("rows", "id 999 at {} is out of range: the table has 53 rows"),
    ("words", 'key "absent" at {} is not known'), ("numbers", "key 12345 at {} is not known")])
def test_missing_is_an_error(ask, kind, what):
    ids = with_keys(kind, [[1, 2, 3], [4, 999, 5]])
    message = f'input "{{}}": {re.escape(what.format("[1,1]"))}'
    refused(ask, f"{kind}_gather_error", message.format("IDS"), IDS=ids)
    refused(ask, f"{kind}_pool_error", message.format("IDS"), IDS=ids)
    refused(ask, f"{kind}_score_error", message.format("IDS"), QUERY=QUERIES[:2], IDS=ids)
    refused(ask, f"{kind}_topk_error", message.format("EXCLUDE"), QUERY=QUERIES[:2],
            EXCLUDE=ids)
    refused(ask, f"{kind}_topk_error", message.format("INCLUDE"), QUERY=QUERIES[:2],
            INCLUDE=ids)
    refused(ask, f"{kind}_gather_error", 'input "IDS": (id -1|key -1|key "") at', IDS=with_keys(
        kind, [[-1]]))


@pytest.mark.parametrize("kind", ["rows", "words", "numbers"])
def test_missing_is_zero(ask, kind):
    rows, ids = small_rows(), with_keys(kind, [[1, 999, 3]])
    got = ask(f"{kind}_gather_zero", IDS=ids)["VECTORS"]
    assert (got[0] == [rows[1], np.zeros(3), rows[3]]).all()
    assert (ask(f"{kind}_pool_zero", IDS=ids)["POOLED"] == rows[1] + rows[3]).all()
    scores = similarity(QUERIES[:1], rows, "dot")
    got = ask(f"{kind}_score_zero", QUERY=QUERIES[:1], IDS=ids)["SCORES"]
    assert got[0].tolist() == [scores[0, 1], -np.inf, scores[0, 3]]
    got = ask(f"{kind}_topk_zero", QUERY=QUERIES[:1], INCLUDE=ids, EXCLUDE=ids[:, 1:])
    assert got["SCORES"][0].tolist() == [scores[0, 1]] + 9 * [-np.inf]


def test_a_row_of_zeros_counts_in_mean_and_max(ask):
    rows = small_rows()
    ids = np.array([[1, 999, 3, -1], [999, 999, 999, -1], [-1, -1, -1, -1], [4, 5, 6, 7]])
    known = pool(rows, np.array([[1, 3], [-1, -1], [-1, -1]]), "sum")
    got = ask("zero_mean", IDS=ids)["POOLED"]
    np.testing.assert_allclose(got[:3], known / [[3], [1], [1]], rtol=1e-6)
    np.testing.assert_allclose(got[3], rows[4:8].mean(0), rtol=1e-6)
    got = ask("zero_max", IDS=ids)["POOLED"]
    assert (got[0] == np.maximum(rows[[1, 3]].max(0), 0)).all()
    assert (got[1:3] == 0).all() and (got[3] == rows[4:8].max(0)).all()


# ---- what is refused ----------------------------------------------------------------------------


def test_refusals(ask):
    one = np.zeros((1, 3), np.float32)
    ids = np.array([[0, 1]])
    nan = np.zeros((2, 3), np.float32)
    nan[1, 2] = np.nan
    refused(ask, "rows_topk_error", r'input "QUERY": expected FP32 \[-1,3\], got FP32 \[1,4\]',
            QUERY=np.zeros((1, 4), np.float32))
    refused(ask, "rows_topk_error", r'input "QUERY": expected FP32 .* got FP64',
            QUERY=np.zeros((1, 3)))
    refused(ask, "rows_topk_error", r'input "QUERY": NaN at \[1,2\]', QUERY=nan)
    refused(ask, "rows_score_error", r'input "QUERY": NaN at \[1,2\]', QUERY=nan,
            IDS=np.zeros((2, 1), np.int64))
    refused(ask, "rows_topk_error", r'input "EXCLUDE": expected 1 rows as QUERY has, got 2',
            QUERY=one, EXCLUDE=np.zeros((2, 1), np.int64))
    refused(ask, "rows_topk_error", r'input "INCLUDE": expected 1 rows as QUERY has, got 0',
            QUERY=one, INCLUDE=np.zeros((0, 1), np.int64))
    refused(ask, "rows_score_error", r'input "IDS": expected 1 rows as QUERY has, got 2',
            QUERY=one, IDS=np.zeros((2, 1), np.int64))
    refused(ask, "rows_score_error", r'input "IDS": missing', QUERY=one)
    refused(ask, "rows_pool_error", r'input "WEIGHTS": expected FP32 \[1,2\] as IDS',
            IDS=ids, WEIGHTS=np.zeros((1, 3), np.float32))
    refused(ask, "rows_pool_error", r'input "IDS": expected INT64 \[-1,-1\], got INT64 \[2\]',
            IDS=ids[0])
    refused(ask, "rows_gather_error", r'input "IDS": expected INT64 .* got INT32',
            IDS=ids.astype(np.int32))
    refused(ask, "rows_gather_error", r'input "IDS": expected at most 7 dims, got 8',
            IDS=ids.reshape((1,) * 7 + (2,)))
    refused(ask, "rows_gather_error", r'input "IDS": id -2 at \[0\] is out of range',
            IDS=np.array([-2]))
    refused(ask, "rows_gather_error", r'input "QUERY": not one of', QUERY=one)


def test_a_reply_beyond_the_limit(ask):
    """A small request for a large answer is refused before memory is taken."""
    with pytest.raises(InferenceServerException) as caught:
        ask("gather_1024_mmap", IDS=np.zeros(100000, np.int64))
    assert caught.value.status() == "StatusCode.RESOURCE_EXHAUSTED", caught.value
    assert "--max-inflight-bytes" in caught.value.message()


@pytest.fixture
def limited(tmp_path):
    """A server that has room for 32 MiB of requests and replies."""
    np.save(tmp_path / "t.npy", random_rows(1000, 64))
    np.save(tmp_path / "one.npy", random_rows(1000, 1))
    np.save(tmp_path / "long.npy", random_rows(1_000_000, 1))
    (tmp_path / "k.txt").write_text("".join(f"key-{i}\n" for i in range(1000)))
    write_model(tmp_path, "history", operation="pool", file="t.npy")
    write_model(tmp_path, "for_you", operation="topk", file="t.npy", encoder="history", k="1")
    write_model(tmp_path, "rows", operation="topk", file="one.npy")
    write_model(tmp_path, "words", operation="topk", file="one.npy", keys="k.txt")
    write_model(tmp_path, "long", operation="topk", file="long.npy", k_max="1000000")
    with Server(tmp_path, options=["--max-inflight-bytes=32MiB"], pages=True) as started:
        client = Client(started)
        yield started, client
        client.close()


@pytest.mark.parametrize("model, arrays, request_options", [
    ("for_you", {"IDS": np.zeros((2_000_000, 0), np.int64)}, {}),  # 512 MB of queries
    ("rows", {"QUERY": np.ones((800, 1), np.float32)},  # 64 MB of ids that nobody wants
     {"parameters": {"k": 10000}, "outputs": ["SCORES"]}),
    ("words", {"QUERY": np.ones((800, 1), np.float32)},  # 192 MB
     {"parameters": {"k": 10000}, "outputs": ["SCORES"]}),
    ("long", {"QUERY": np.ones((1, 1), np.float32),  # 28 MB, and 16 MB or more to find the best
              "EXCLUDE": np.zeros((1, 1_000_000), np.int64)}, {"parameters": {"k": 1_000_000}}),
])
def test_a_runs_own_memory_is_limited(limited, model, arrays, request_options):
    """What a request makes a table take for itself counts as what it sends and gets does."""
    server, ask = limited
    assert ask("for_you", IDS=np.array([[1, 2]]))["IDS"].shape == (1, 1)
    resident = server.status("VmRSS") // 1024
    with open(f"/proc/{server.process.pid}/clear_refs", "w", encoding="ascii") as file:
        file.write("5")
    with pytest.raises(InferenceServerException) as caught:
        ask(model, **arrays, **request_options)
    assert caught.value.status() == "StatusCode.RESOURCE_EXHAUSTED", caught.value
    assert "--max-inflight-bytes allows; a retry cannot help" in caught.value.message()
    if not SANITIZED:
        assert server.status("VmHWM") // 1024 <= resident + 32 * 3 // 2 + 16
    wait_for(lambda: "\npinnace_inflight_bytes 0\n" in server.get("/metrics")[1])
    assert ask("for_you", IDS=np.array([[1, 2]]))["IDS"].shape == (1, 1)


def test_lists_without_ids_of_any_length(ask):
    """No element, and yet a dim that nobody could hold."""
    none = np.zeros((0, 3), np.float32)
    long = np.zeros((0, 1 << 58), np.int64)
    got = ask("rows_topk_error", QUERY=none, EXCLUDE=long, INCLUDE=long)
    assert got["IDS"].shape == (0, 10)
    assert ask("rows_score_error", QUERY=none, IDS=long)["SCORES"].shape == (0, 1 << 58)
    assert ask("rows_pool_error", IDS=long)["POOLED"].shape == (0, 3)
    high = np.zeros((1 << 59, 0), np.int64)
    refused(ask, "pool_64_mmap_sum", 'output "POOLED" would be too large', IDS=high)


def test_keys_and_rows_do_not_mix(ask):
    """A table has keys or rows: the datatype says which, but for INT64 keys."""
    refused(ask, "words_gather_error", r'input "IDS": expected BYTES \[-1\], got INT64',
            IDS=np.array([1]))
    refused(ask, "rows_gather_error", r'input "IDS": expected INT64 \[-1\], got BYTES',
            IDS=texts(["sku-1"]))
    refused(ask, "numbers_gather_error", r'input "IDS": key 1 at \[0\] is not known',
            IDS=np.array([1]))


def test_a_key_of_any_bytes_gives_a_readable_sentence(ask):
    refused(ask, "words_gather_error", r'input "IDS": key "a\.\.b" at \[0\] is not known$',
            IDS=texts([b"a\x00\xffb"]))
    refused(ask, "words_gather_error", 'input "IDS": key "é+" at', IDS=texts(["é" * 10000]))


# ---- the encoder ---------------------------------------------------------------------------------


def test_encoder(ask):
    plain = ask("rows_topk_error", QUERY=QUERIES)
    encoded = ask("identity_topk", x=QUERIES)
    assert all((plain[name] == encoded[name]).all() for name in plain)
    ids = np.tile(np.arange(5), (9, 1))
    plain = ask("rows_score_error", QUERY=QUERIES, IDS=ids)["SCORES"]
    assert (ask("identity_score", x=QUERIES, IDS=ids)["SCORES"] == plain).all()


def test_encoder_is_a_pooled_history(ask):
    history = np.array([[1, 2, 3], [4, 4, -1], [-1, -1, -1]])
    query = ask("history", IDS=history)["POOLED"]
    exclude = np.array([[1, 2, 3], [4, 4, -1], [-1, -1, -1]])
    plain = ask("rows_topk_error", QUERY=query, EXCLUDE=exclude)
    encoded = ask("history_topk", IDS=history, EXCLUDE=exclude)
    assert all((plain[name] == encoded[name]).all() for name in plain)


def test_encoder_is_a_network(ask):
    features = random_rows(4, 6)
    query = ask("torch_mlp", features=features)["probability"]
    plain = ask("topk_1_mmap_dot", QUERY=query, parameters={"k": 5})
    encoded = ask("mlp_topk", features=features, parameters={"k": 5})
    assert all((plain[name] == encoded[name]).all() for name in plain)


def test_encoder_refusals(ask):
    nan = np.array([[0, np.nan, 0]], np.float32)
    refused(ask, "identity_topk", r"the encoder's output: NaN at \[0,1\]", x=nan)
    refused(ask, "identity_topk", r'encoder "identity_fp32": its output: expected FP32 \[-1,3\]'
            r", got FP32 \[1,4\]", x=np.zeros((1, 4), np.float32))
    refused(ask, "history_topk", r'encoder "history": input "IDS": id 99 at \[0,0\]',
            IDS=np.array([[99]]))
    refused(ask, "identity_topk", r'input "QUERY": not one of the model.s inputs: x, EXCLUDE',
            QUERY=QUERIES)


@pytest.mark.parametrize("parameters, message", [
    ({"encoder": "absent"}, 'encoder "absent": neither among the models given nor in '),
    ({"encoder": "self"}, 'encoder "self": expected a model without an encoder'),
    ({"encoder": "simple"}, 'encoder "simple": expected one output'),
    ({"encoder": "taken"}, 'encoder "taken": its input "IDS" has a name'),
    ({"encoder": "wide"}, r'encoder "wide": output "POOLED": expected FP32 \[-1,3\], got'),
    ({"encoder": "broken"}, 'encoder: model "broken" failed to load: version 1'),
    ({"encoder": "taken", "operation": "pool"},
     ".*parameter \"encoder\" means nothing to operation pool"),
])
def test_encoder_that_cannot_be(tmp_path, parameters, message):
    np.save(tmp_path / "small.npy", small_rows())
    np.save(tmp_path / "wide.npy", random_rows(3, 4))
    write_model(tmp_path, "taken", operation="pool", file="small.npy")
    write_model(tmp_path, "wide", operation="pool", file="wide.npy")
    (tmp_path / "broken" / "1").mkdir(parents=True)
    (tmp_path / "broken" / "1" / "model.onnx").write_bytes(b"no model")
    write_model(tmp_path, "self", **{"operation": "score", "file": "small.npy", **parameters})
    with Server(tmp_path, options=["--exit-on-error=false", "--builtin-models",
                                   "--strict-readiness=false"], wait=False) as started:
        started.wait_log("model failed to load model=self")
        line = next(part for part in started.log().splitlines() if "model=self" in part)
        assert re.search(f"model=self( version=1)?: {message}", line), line


def loads(*paths):
    """Can serve, check and bench load the models of the paths? The same answer from each."""
    with Server(*paths, options=["--exit-on-error=false"], wait=False) as server:
        server.wait_log("serving, but not ready", "ready ms=")
        served = "ready ms=" in server.log()
    checked = run("check", *paths)
    benched = run("bench", *paths, "--rows=1", "--seconds=0.01")
    assert checked.returncode == benched.returncode == (0 if served else 2), (
        served, checked.stderr, benched.stderr)
    assert served or "neither among the models given nor in" in checked.stderr
    assert served or "neither among the models given nor in" in benched.stderr
    return served


def test_encoders_are_found_by_one_rule(tmp_path):
    """Among the models of all paths, then beside the model that names it."""
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
        np.save(tmp_path / name / "small.npy", small_rows())
    for name in ("a", "c"):
        write_model(tmp_path / name, "near", operation="topk", file="small.npy",
                    encoder="history")
    for name in ("b", "c"):
        write_model(tmp_path / name, "history", operation="pool", file="small.npy")
    assert not loads(tmp_path / "a" / "near")
    assert loads(tmp_path / "a" / "near", tmp_path / "b")
    assert loads(tmp_path / "a" / "near", tmp_path / "b" / "history")
    assert loads(tmp_path / "c" / "near")
    result = run("check", tmp_path / "c" / "near")
    assert 'model   "near"' in result.stdout and 'model   "history"' not in result.stdout


def test_an_encoders_own_batch_size(tmp_path):
    np.save(tmp_path / "small.npy", small_rows())
    write_model(tmp_path, "history", operation="pool", file="small.npy")
    with open(tmp_path / "history" / "config.pbtxt", "a", encoding="ascii") as file:
        file.write("max_batch_size: 2\n")
    write_model(tmp_path, "near", operation="topk", file="small.npy", encoder="history")
    with Server(tmp_path) as server:
        ask = Client(server)
        ids = np.array([[1], [2], [3]])
        assert ask("near", IDS=ids[:2], parameters={"k": 4})["IDS"].shape == (2, 4)
        refused(ask, "near", r'encoder "history": input "IDS": expected at most 2 rows '
                r"\(max_batch_size\), got 3", IDS=ids)
        ask.close()
    result = run("bench", tmp_path / "near", "--rows=3", "--seconds=0.01")
    assert result.returncode == 2 and "at most 2 rows" in result.stderr, result.stderr


# ---- files that change under the server -------------------------------------------------------------


@pytest.fixture
def changing(tmp_path):
    root = tmp_path / "models"
    root.mkdir()
    np.save(root / "t.npy", np.full((20000, 16), 1, np.float32))
    write_model(root, "mapped", operation="gather", file="t.npy")
    write_model(root, "copied", operation="gather", file="t.npy", resident="fp32")
    np.save(root / "h.npy", np.full((20000, 16), 1, np.float32))
    write_model(root, "encoder", operation="pool", file="h.npy")
    write_model(root, "encoded", operation="topk", file="t.npy", encoder="encoder")
    with Server(root) as started:
        client = Client(started)
        yield root, started, client
        client.close()


def replace(path, array):
    np.save(path.with_suffix(".new.npy"), array)
    os.rename(path.with_suffix(".new.npy"), path)


def wait_for(condition, seconds=20):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def encoded_score(ask):
    return ask("encoded", IDS=np.array([[5]]), parameters={"k": 1})["SCORES"][0, 0]


def test_replaced_while_serving(changing):
    root, server, ask = changing
    ids, seen, failed, stop = np.arange(64) * 300, set(), [], threading.Event()

    def keep_asking():
        while not stop.is_set():
            try:
                vectors = ask("mapped", IDS=ids)["VECTORS"]
                assert len(np.unique(vectors)) == 1  # one table or the other, whole
                seen.add(float(vectors[0, 0]))
            except Exception as error:  # pylint: disable=broad-except
                failed.append(error)
                return

    asker = threading.Thread(target=keep_asking)
    asker.start()
    for value in (2, 3, 4):
        replace(root / "t.npy", np.full((20000, 16), value, np.float32))
        server.signal(signal.SIGHUP)
        wait_for(lambda: failed or value in seen)
        wait_for(lambda: encoded_score(ask) == 16 * value)
    stop.set()
    asker.join()
    assert not failed, failed
    assert ask("copied", IDS=ids)["VECTORS"][0, 0] == 4


def test_encoder_replaced_and_removed(changing):
    """A table goes with its encoder, and keeps the one it has when there is no other."""
    root, server, ask = changing
    assert encoded_score(ask) == 16
    replace(root / "h.npy", np.full((20000, 16), 3, np.float32))
    server.signal(signal.SIGHUP)
    wait_for(lambda: encoded_score(ask) == 48)
    replace(root / "h.npy", np.full((20000, 15), 3, np.float32))
    server.signal(signal.SIGHUP)
    server.wait_log('encoder "encoder": output "POOLED": expected FP32 [-1,16], got FP32 [-1,15]')
    assert encoded_score(ask) == 48
    shutil.rmtree(root / "encoder")
    server.signal(signal.SIGHUP)
    server.wait_log('encoder "encoder": neither among the models given nor in')
    server.wait_log("model version retired model=encoder")
    assert encoded_score(ask) == 48


def test_a_bad_replacement_keeps_the_old_one(changing):
    root, server, ask = changing
    replace(root / "t.npy", np.full((3, 3, 3), 2, np.float32))
    server.signal(signal.SIGHUP)
    server.wait_log("rescan done")
    assert ask("mapped", IDS=np.array([19999]))["VECTORS"][0, 0] == 1
    assert "the version loaded before goes on serving" in server.log()


@pytest.mark.skipif(SANITIZED, reason="sanitizers take SIGBUS for themselves")
def test_truncated_while_serving(changing):
    root, server, ask = changing
    os.truncate(root / "t.npy", 4096)
    with pytest.raises(InferenceServerException) as caught:
        ask("mapped", IDS=np.array([19999]))
    assert caught.value.status() == "StatusCode.UNAVAILABLE", caught.value
    with pytest.raises(InferenceServerException) as caught:
        ask("mapped", IDS=np.array([0]))
    assert caught.value.status() == "StatusCode.UNAVAILABLE", caught.value
    assert ask("copied", IDS=np.array([19999]))["VECTORS"][0, 0] == 1
    replace(root / "t.npy", np.full((20000, 16), 7, np.float32))
    server.signal(signal.SIGHUP)
    server.wait_log("rescan done")
    assert ask("mapped", IDS=np.array([19999]))["VECTORS"][0, 0] == 7


def test_keys_belong_to_the_stamp(tmp_path):
    np.save(tmp_path / "t.npy", np.arange(6, dtype=np.float32).reshape(3, 2))
    (tmp_path / "k.txt").write_text("a\nb\nc\n")
    write_model(tmp_path, "m", operation="gather", file="t.npy", keys="k.txt")
    with Server(tmp_path) as server:
        ask = Client(server)
        assert ask("m", IDS=texts(["c"]))["VECTORS"][0].tolist() == [4, 5]
        (tmp_path / "k.new").write_text("c\nb\na\n")
        os.rename(tmp_path / "k.new", tmp_path / "k.txt")
        server.signal(signal.SIGHUP)
        wait_for(lambda: ask("m", IDS=texts(["c"]))["VECTORS"][0].tolist() == [0, 1])
        ask.close()


@pytest.mark.skipif(SANITIZED, reason="sanitizers have memory of their own")
def test_models_share_a_table(tmp_path):
    rows = np.random.default_rng(0).standard_normal((200000, 64)).astype(np.float32)
    np.save(tmp_path / "t.npy", rows)
    common = {"file": "t.npy", "resident": "fp32"}
    write_model(tmp_path, "a", operation="gather", **common)
    with Server(tmp_path) as server:
        one = server.status("RssAnon") * 1024
    write_model(tmp_path, "b", operation="topk", **common)
    write_model(tmp_path, "c", operation="score", metric="l2", **common)
    with Server(tmp_path) as server:
        three = server.status("RssAnon") * 1024
    assert one > rows.nbytes
    assert three < one + rows.nbytes / 4


def test_the_sum_of_the_models_memory(tmp_path):
    """A table that models share is counted once in it, whoever comes and goes."""
    rows = np.zeros((20000, 16), np.float32)
    np.save(tmp_path / "t.npy", rows)
    names = ["a", "b", "c"]
    for name in names:
        write_model(tmp_path, name, operation="gather", file="t.npy", resident="fp32")
    with Server(tmp_path, pages=True) as server:
        def shown():
            found = re.findall(r'^pinnace_model_memory_bytes\{model="(\w+)",version="1"\} (\S+)$',
                               server.get("/metrics")[1], re.M)
            return {name: float(value) for name, value in found}

        def settled():
            memory = shown()
            return (sorted(memory) == names and max(memory.values()) < min(memory.values()) + 2
                    and rows.nbytes <= sum(memory.values()) + 3 < rows.nbytes * 1.01)

        assert settled(), shown()
        for name in ("c", "a"):
            shutil.rmtree(tmp_path / name)
            names.remove(name)
            server.signal(signal.SIGHUP)
            wait_for(settled)


# ---- where tables lie -------------------------------------------------------------------------------


def test_more_tables_than_the_soft_limit(tmp_path):
    """Each holds a descriptor; the hard limit is what counts."""
    for i in range(80):
        np.save(tmp_path / f"{i}.npy", np.full((2, 3), i, np.float32))
        write_model(tmp_path, f"m{i}", operation="gather", file=f"{i}.npy")
    limited = ["sh", "-c", 'ulimit -Sn 64; ulimit -Hn 400; exec "$@"', "sh"]
    with Server(tmp_path, pages=True, command_prefix=limited) as server:
        client = Client(server)
        assert (client("m79", IDS=np.array([1]))["VECTORS"] == 79).all()
        assert "process_max_fds 400" in server.get("/metrics")[1]
        client.close()


def test_links_inside_the_repository(tmp_path):
    """A version's keys are found through them as its table is; a link that leads out is not."""
    root = tmp_path / "models"
    (root / "m" / "1").mkdir(parents=True)
    np.save(root / "t.npy", small_rows())
    words = "".join(f"w{i}\n" for i in range(ROWS))
    for place in (root, tmp_path):
        (place / "shared.keys").write_text(words)
    write_model(root, "m", operation="gather", keys="item.keys")
    (root / "m" / "1" / "model.npy").symlink_to("../../t.npy")
    keys = root / "m" / "1" / "item.keys"
    for target, loads in (("../../shared.keys", True), ("../../../shared.keys", False),
                          (tmp_path / "shared.keys", False)):
        keys.symlink_to(target)
        for path in (root, root / "m"):
            result = run("check", path)
            assert (result.returncode == 0) == loads, (target, result.stderr)
            assert loads or "m/1/item.keys: leads out of its directory" in result.stderr
        keys.unlink()
    (root / "m" / "1" / "..data").mkdir()  # as a mounted ConfigMap has it
    (root / "m" / "1" / "..data" / "item.keys").write_text(words)
    keys.symlink_to("..data/item.keys")
    assert run("check", root).returncode == 0
    (root / "linked").symlink_to(tmp_path / "away")  # a model's folder may be a link anywhere
    (root / "m").rename(tmp_path / "away")
    (tmp_path / "away" / "1" / "model.npy").unlink()
    np.save(tmp_path / "away" / "1" / "model.npy", small_rows())
    assert run("check", root / "linked").returncode == 0


def test_layouts(tmp_path, server):
    """A version's own file, its own keys, and files without any configuration."""
    rows = small_rows()
    for version, scale in ((1, 1), (2, 2)):
        folder = tmp_path / "models" / "own" / str(version)
        folder.mkdir(parents=True)
        write_safetensors(folder / "model.safetensors", {"t": rows * np.float32(scale)})
        (folder / "keys.txt").write_text("".join(f"v{version}-{i}\n" for i in range(ROWS)))
    write_model(tmp_path / "models", "own", operation="gather", keys="keys.txt")
    (tmp_path / "models" / "bare" / "1").mkdir(parents=True)
    np.save(tmp_path / "models" / "bare" / "1" / "model.npy", rows)
    np.save(tmp_path / "alone.npy", rows)
    with Server(tmp_path / "models", tmp_path / "alone.npy") as started:
        ask = Client(started)
        assert (ask("own", IDS=texts(["v2-3"]))["VECTORS"] == 2 * rows[3]).all()
        assert (ask("bare", IDS=np.array([3]))["VECTORS"] == rows[3]).all()
        assert (ask("alone", IDS=np.array([3]))["VECTORS"] == rows[3]).all()
        ask.close()
        assert started.log().count('served as "gather"') == 2


@pytest.mark.parametrize("parameters, message", [
    ({"oper": "topk"}, r'config.pbtxt:2: parameter "oper" is not known; a table has operation'),
    ({"operation": "top-k"}, r'config.pbtxt:2: parameter "operation": expected gather, pool'),
    ({"operation": "topk", "k": "0"}, r'config.pbtxt:3: parameter "k": expected a whole'),
    ({"operation": "topk", "k": "9", "k_max": "8"}, r'"k": 9 is above k_max, 8'),
    ({"operation": "gather", "k": "9"}, r'config.pbtxt:3: parameter "k" means nothing to'),
    ({"metric": "L2"}, r'parameter "metric": expected dot, cosine or l2'),
    ({"resident": "fp8"}, r'parameter "resident": expected mmap, fp32'),
    ({"pool": "min"}, r'parameter "pool": expected sum, mean or max'),
    ({"missing": "skip"}, r'parameter "missing": expected error or zero'),
    ({"file": "absent.npy"}, r"absent.npy"),
    ({"file": "../x.npy"}, r'\.\.'),
    ({"file": "/etc/passwd"}, r"absolute"),
    ({"tensor": "absent"}, r"absent"),
    ({"keys": "absent"}, r'keys "absent": neither in'),
])
def test_bad_parameters(tmp_path, parameters, message):
    (tmp_path / "models").mkdir()
    np.save(tmp_path / "x.npy", small_rows())
    np.save(tmp_path / "models" / "t.npy", small_rows())
    write_model(tmp_path / "models", "m", **{**parameters, "file": parameters.get("file", "t.npy")})
    result = run("check", tmp_path / "models")
    assert result.returncode == 2
    assert re.search(message, result.stderr), result.stderr


@pytest.mark.parametrize("file, text, message", [
    ("items.npy", None, 'no model in .*; "items.npy" lies there by itself: to serve it, give the'),
    ("m/items.npy", None, 'm has no version directory: skipped; "items.npy" was expected as .*npy'),
    ("m/1/items.npy", None, '"items.npy" is not looked at: expected model.onnx, or its name as'),
    ("m/config.pbtxt", 'platform: "pinnace_table"', 'no version in .*, or the parameter "file"'),
    ("m/config.pbtxt", 'backend: "pinnace_table"', 'write platform: "pinnace_table" instead'),
    (None, None, "no such file or directory; is the volume mounted[?]"),
])
def test_where_no_model_is(tmp_path, file, text, message):
    if file:
        path = tmp_path / "models" / file
        path.parent.mkdir(parents=True)
        if text:
            path.write_text(text)
        else:
            np.save(path, small_rows())
    for command in ("check", "bench", "serve"):
        listen = ["--allow-metrics=false", f"--grpc-uds={tmp_path}/s"]
        result = run(command, tmp_path / "models", *(listen if command == "serve" else []))
        assert result.returncode == 2, result.stderr
        assert re.search(message, result.stderr), result.stderr


def test_tables_that_cannot_be_say_what_to_do(tmp_path):
    np.save(tmp_path / "wide.npy", np.zeros((2, 3)))  # numpy's default: float64
    said = run("check", tmp_path / "wide.npy").stderr
    assert 'wide.npy: expected FP32, FP16 or BF16 [rows, dim], got FP64 [2,3]; save ' \
           'array.astype("float32")' in said
    assert "gather" not in said  # of what is not served
    np.save(tmp_path / "good.npy", np.zeros((2, 3), np.float32))
    assert 'served as "gather"' in run("check", tmp_path / "good.npy").stderr
    rows = np.zeros((2, 3), np.float32)
    write_safetensors(tmp_path / "t.safetensors", {"e": rows, "f": rows})
    for more, sentence in (({}, 'expected one tensor, or a name to choose by: the file has'),
                           ({"tensor": "zz"}, 'no tensor "zz": the file has')):
        write_model(tmp_path, "m", operation="topk", file="t.safetensors", **more)
        said = run("check", tmp_path / "m").stderr
        assert f't.safetensors: parameter "tensor": {sentence} "e", "f"' in said


def test_metadata(server, ask):
    assert '"platform":"pinnace_table"' in re.sub(r"\s", "", server.get("/v2/models/nan")[1])
    metadata = ask.client.get_model_metadata("words_topk_error", as_json=True)
    assert metadata["platform"] == "pinnace_table"
    assert [(i["name"], i["datatype"], i["shape"]) for i in metadata["inputs"]] == [
        ("QUERY", "FP32", ["-1", "3"]), ("EXCLUDE", "BYTES", ["-1", "-1"]),
        ("INCLUDE", "BYTES", ["-1", "-1"])]
    config = ask.client.get_model_config("words_topk_error", as_json=True)["config"]
    assert config["platform"] == "pinnace_table"
    assert {key: value["string_value"] for key, value in config["parameters"].items()} == {
        "operation": "topk", "file": "small.npy", "missing": "error", "keys": "words.txt"}


def test_configured_signature_and_rows(tmp_path):
    np.save(tmp_path / "t.npy", small_rows())
    write_model(tmp_path, "m", operation="score", file="t.npy")
    with open(tmp_path / "m" / "config.pbtxt", "a", encoding="ascii") as file:
        file.write('max_batch_size: 2\ninput [ { name: "QUERY" data_type: TYPE_FP32 dims: 3 },\n'
                   '  { name: "IDS" data_type: TYPE_INT64 dims: -1 } ]\n')
    with Server(tmp_path) as server:
        ask = Client(server)
        ids = np.zeros((2, 4), np.int64)
        assert ask("m", QUERY=QUERIES[:2], IDS=ids)["SCORES"].shape == (2, 4)
        refused(ask, "m", r'input "QUERY": expected at most 2 rows', QUERY=QUERIES[:3],
                IDS=np.zeros((3, 4), np.int64))
        ask.close()
    text = (tmp_path / "m" / "config.pbtxt").read_text().replace("dims: 3", "dims: 4")
    (tmp_path / "m" / "config.pbtxt").write_text(text)
    result = run("check", tmp_path)
    assert result.returncode == 2 and 'input "QUERY": config.pbtxt says' in result.stderr


# ---- the tools and the manual ------------------------------------------------------------------------


def test_check_and_bench(tmp_path):
    np.save(tmp_path / "t.npy", small_rows())
    (tmp_path / "k.txt").write_text("".join(f"{w}\n" for w in WORDS))
    write_model(tmp_path, "history", operation="pool", file="t.npy")
    write_model(tmp_path, "m", operation="topk", file="t.npy", resident="int8", keys="k.txt")
    write_model(tmp_path, "e", operation="topk", file="t.npy", encoder="history")
    result = run("check", tmp_path)
    assert result.returncode == 0, result.stderr
    assert "rows 53, dim 3, stored FP32, resident int8" in result.stdout
    for model in ("m", "e", "history"):
        result = run("bench", tmp_path / model, "--rows=1,3", "--ids=5", "--k=4",
                     "--seconds=0.01")
        assert result.returncode == 0, result.stderr


def manual_examples():
    """The configurations of docs/tables.md, by the path in their first line."""
    text = (ROOT / "docs" / "tables.md").read_text()
    return dict(re.findall(r"```pbtxt\n# (models/\S+)\n(.*?)```", text, re.DOTALL))


def test_the_manual(tmp_path):
    examples = manual_examples()
    assert len(examples) >= 4
    for name, text in examples.items():
        path = pathlib.Path(tmp_path, name)
        path.parent.mkdir(parents=True)
        path.write_text(text)
    root = tmp_path / "models"
    write_safetensors(root / "items.safetensors", {"items": small_rows()})
    (root / "items.keys").write_text("".join(f"{w}\n" for w in WORDS))
    result = run("check", root)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("resident ") == len(examples)
