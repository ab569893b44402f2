# SPDX-License-Identifier: Apache-2.0
"""The patterns that random graphs are put together from. Each is a function of a Maker
(graph_maker.py); make() draws a graph of them."""
import numpy as np

from graph_maker import BOOL, F32, F64, I32, I64, VOCABULARY, Maker

DIM = 4  # of embeddings and of everything in m.fields


# ---- inputs

def dense_input(m):
    m.dense = m.add_input("dense", F32, ("N", m.size(2, 9)))
    m.flat.append(m.dense)


def id_input(m):
    fields = m.size(2, 5)
    kind = m.pick(["int64", "int64", "int32", "float", "negative"])
    dtype = {"int32": I32, "float": F32}.get(kind, I64)
    m.id_input = m.add_input("negative_ids" if kind == "negative" else "ids", dtype,
                             ("N", fields))
    ids = m.cast(m.id_input, I64) if kind == "float" else m.id_input
    if kind == "int32" and m.chance():
        ids = m.cast(ids, I64)
    m.ids.append(ids)
    if ids.dtype == I64 and kind != "negative":
        m.ints.append(ids)


def sequence_input(m):
    if m.chance(0.4):
        return
    if m.chance(0.4):
        m.fields.append(m.add_input("sequence", F32, ("N", "T", DIM)))
        return
    ids = m.add_input("history_ids", I64, ("N", "T"))
    table = m.weight(VOCABULARY, DIM, scale=1.0)
    m.fields.append(m.add("Gather", [table, ids], ("N", "T", DIM), axis=0))
    not_zero = m.add("Not", [m.add("Equal", [ids, m.const(0, np.int64)], ids.shape, BOOL)],
                     ids.shape, BOOL)
    m.masks.append((m.fields[-1], not_zero))


def flag_input(m):
    m.flag = m.add_input("flag", BOOL, ("N", 1)) if m.chance(0.3) else None


# ---- embeddings

def columns(m, ids):
    """The columns of [N, F]: each [N] or [N, 1], got in one of the usual ways."""
    fields = ids.shape[1]
    how = m.size(0, 3)
    if how == 0:
        return m.split(ids, 1, [1] * fields)
    cut = []
    for f in range(fields):
        if how == 1:
            index = f - fields if m.chance(0.2) else f
            cut.append(m.add("Gather", [ids, m.const(index, np.int64)], ("N",), ids.dtype,
                             axis=1))
        elif how == 2:
            cut.append(m.add("Gather", [ids, m.integers(f)], ("N", 1), ids.dtype, axis=1))
        else:
            cut.append(m.slice(ids, 1, f, f + 1 if f + 1 < fields or m.chance() else 2**63 - 1))
    return cut


def look_up(m, ids):
    """[N] or [N, 1] -> [N, d]."""
    width = m.pick([1, 3, DIM, DIM, DIM, 16])
    rows = VOCABULARY
    if m.opset and len(ids.shape) == 2 and m.chance(0.4):
        ids = m.pick([lambda x: m.squeeze(x, 1), lambda x: m.reshape(x, ("N",))])(ids)
    found = m.add("Gather", [m.weight(rows, width, scale=1.0), ids], ids.shape + (width,),
                  axis=0)
    if len(found.shape) == 3:
        found = m.reduce("ReduceSum", found, 1, keep=False) if m.chance(0.2) \
            else m.to_flat(found)
    return found


def field_embeddings(m):
    found = [look_up(m, c) for c in columns(m, m.pick(m.ids))]
    m.flat.extend(found)
    alike = [v for v in found if v.shape[1] == DIM]
    if len(alike) > 1 and m.chance():
        m.fields.append(m.concat([m.unsqueeze(v, 1) for v in alike], 1))
    if m.chance(0.7):
        some = found + ([m.dense] if m.chance() else [])
        m.flat.append(m.concat(some, 1))


def all_embeddings(m):
    ids = m.pick(m.ids)
    fields, rows = ids.shape[1], VOCABULARY
    if ids.dtype == I64 and m.id_input.name != "negative_ids" and m.chance():
        offsets = np.arange(fields, dtype=np.int64) * VOCABULARY
        ids = m.add("Add", [ids, m.const(m.pick([offsets, offsets[None]]))], ids.shape, I64)
        rows = VOCABULARY * fields
    found = m.add("Gather", [m.weight(rows, DIM, scale=1.0), ids], ("N", fields, DIM), axis=0)
    m.fields.append(found)
    if m.chance():
        m.flat.append(m.to_flat(found))


def first_order(m):
    """The linear part: a table of width 1, summed over the fields."""
    ids = m.pick(m.ids)
    found = m.add("Gather", [m.weight(VOCABULARY, 1, scale=1.0), ids],
                  ("N", ids.shape[1], 1), axis=0)
    m.flat.append(m.reduce_flat("ReduceSum", found))


# ---- multilayer perceptrons

def linear(m, x, n):
    k = x.shape[-1]
    if len(x.shape) == 2 and m.chance(0.6):
        trans = m.size(0, 1)
        attributes = {"transB": trans} if trans or m.chance() else {}
        if m.chance(0.15):
            attributes["alpha"] = 0.5
        if m.chance(0.15):
            attributes["beta"] = 2.0
        w = m.weight(*((n, k) if trans else (k, n)), scale=1 / np.sqrt(k))
        c = m.pick([lambda: [m.weight(n)], lambda: [m.weight(n)], lambda: [m.weight(1, n)],
                    lambda: [m.weight()], lambda: [m.weight(1)], lambda: []])()
        return m.add("Gemm", [x, w] + c, x.shape[:-1] + (n,), **attributes)
    y = m.add("MatMul", [x, m.weight(k, n)], x.shape[:-1] + (n,))
    if m.chance(0.8):
        b = m.pick([lambda: m.weight(n), lambda: m.weight(1, n), lambda: m.weight(1)])()
        y = m.add("Add", [b, y] if m.chance() else [y, b], y.shape)
    return y


def batch_norm(m, x):
    n = x.shape[1]
    if m.chance(0.5):
        spread = m.const(m.rng.uniform(0.3, 2, n).astype(np.float32))
        parts = [m.weight(n), m.weight(n), m.weight(n), spread]
    else:
        parts = [m.const(m.rng.uniform(0.3, 2, n).astype(np.float32)) for _ in range(4)]
    return m.add("BatchNormalization", [x] + parts, x.shape,
                 **({"epsilon": 1e-3} if m.chance() else {}))


def activation(m, x):
    kinds = ["Relu", "Relu", "Sigmoid", "Tanh", "LeakyRelu", "Elu", "Selu", "Softplus", "Clip",
             "PRelu", "HardSigmoid", "Silu", "Gelu", "Celu", "ThresholdedRelu", "Erf", "Softsign"]
    if m.opset >= 14:
        kinds.append("HardSwish")
    if m.opset >= 18:
        kinds.append("Mish")
    kind = m.pick(kinds)
    if kind == "Celu" and m.opset < 12 or kind == "ThresholdedRelu":
        kind = "Relu"
    if kind == "Silu":
        gate = m.add("Sigmoid", [x], x.shape)
        return m.add("Mul", [x, gate] if m.chance() else [gate, x], x.shape)
    if kind == "Gelu":
        return gelu(m, x)
    if kind == "Clip":
        low, high = m.const(np.float32(-0.5)), m.const(np.float32(0.75))
        return m.add("Clip", m.pick([[x, low, high], [x, low], [x, "", high]]), x.shape)
    if kind == "PRelu":
        slopes = x.shape[-1] if isinstance(x.shape[-1], int) and m.chance() else 1
        return m.add("PRelu", [x, m.weight(slopes)], x.shape)
    attributes = {"alpha": 0.3} if kind in ("LeakyRelu", "Elu") and m.chance() else {}
    return m.add(kind, [x], x.shape, **attributes)


def gelu(m, x):
    if m.opset >= 20 and m.chance(0.7):
        return m.add("Gelu", [x], x.shape, **m.pick([{}, {"approximate": "tanh"}]))
    root = m.const(np.float32(np.sqrt(2)))
    inner = m.add("Erf", [m.add("Div", [x, root], x.shape)], x.shape)
    inner = m.add("Add", [inner, m.const(np.float32(1))], x.shape)
    half = m.const(np.float32(0.5))
    if m.chance():
        return m.add("Mul", [m.add("Mul", [x, half], x.shape), inner], x.shape)
    return m.add("Mul", [m.add("Mul", [x, inner], x.shape), half], x.shape)


def layer_norm(m, x):
    n = x.shape[-1]
    if m.opset >= 17 and m.chance():
        return m.add("LayerNormalization", [x, m.weight(n), m.weight(n)], x.shape, axis=-1)
    last = len(x.shape) - 1
    away = m.add("Sub", [x, m.reduce("ReduceMean", x, last, keep=True)], x.shape)
    square = m.add("Pow", [away, m.const(np.float32(2))], x.shape)
    spread = m.reduce("ReduceMean", square, last, keep=True)
    spread = m.add("Add", [spread, m.const(np.float32(0.01))], spread.shape)
    y = m.add("Div", [away, m.add("Sqrt", [spread], spread.shape)], x.shape)
    return m.add("Add", [m.add("Mul", [y, m.weight(n)], x.shape), m.weight(n)], x.shape)


def dropout(m, x):
    if m.opset >= 12 and m.chance():
        return m.add("Dropout", [x, m.const(np.float32(0.5))], x.shape)
    return m.add("Dropout", [x], x.shape)


def layers(m, x, depth):
    for _ in range(depth):
        n = m.pick([1, 2, 7, 8, 16, 17, 33])
        before, steps = x, [lambda x: linear(m, x, n)]
        extra = [lambda x: batch_norm(m, x), lambda x: activation(m, x),
                 lambda x: layer_norm(m, x), lambda x: dropout(m, x),
                 lambda x: m.add("Identity", [x], x.shape)]
        for step in extra:
            if m.chance(0.6 if step is extra[1] else 0.3):
                steps.insert(m.size(0, len(steps)) if m.chance(0.3) else len(steps), step)
        for step in steps:
            x = step(x)
        if before.shape == x.shape or m.chance(0.1) and before.shape[-1] == 1:
            x = m.add("Add", [x, before], x.shape)
    return x


def perceptron(m):
    m.flat.append(m.tame(layers(m, m.pick(m.flat), m.size(1, 3))))


def tower_concat(m):
    some = [m.pick(m.flat) for _ in range(m.size(2, 4))]
    m.flat.append(m.concat(some, m.pick([1, 1, 1])))
    if m.chance():
        perceptron(m)


# ---- interactions

def factorisation(m):
    x = m.pick(m.fields) if m.fields else None
    if x is None:
        return all_embeddings(m)
    keep = m.chance()
    total = m.reduce("ReduceSum", x, 1, keep)
    square = m.add("Pow", [total, m.const(np.float32(2))], total.shape) if m.chance() \
        else m.add("Mul", [total, total], total.shape)
    each = m.add("Pow", [x, m.const(np.array(2, m.pick([np.float32, np.int64])
                                             if m.opset >= 12 else np.float32))], x.shape)
    other = m.reduce("ReduceSum", each, 1, keep)
    y = m.add("Sub", [square, other], square.shape)
    y = m.add("Mul", [y, m.const(np.float32(0.05))], y.shape)
    last = len(y.shape) - 1
    y = m.reduce("ReduceSum", y, last, keep=True) if m.chance() else y
    y = m.to_flat(y) if len(y.shape) == 3 else y
    m.flat.append(m.tame(y))


def cross(m):
    first = x = m.pick(m.flat)
    for _ in range(m.size(1, 2)):
        w = m.add("MatMul", [x, m.weight(x.shape[1], 1)], ("N", 1))
        y = m.add("Mul", [first, w], x.shape)
        x = m.add("Add", [m.add("Add", [y, m.weight(x.shape[1])], x.shape), x], x.shape)
    m.flat.append(m.tame(x))


def dot_products(m):
    some = [v for v in m.fields if isinstance(v.shape[1], int)]
    if not some:
        return all_embeddings(m)
    x = m.pick(some)
    f, d = x.shape[1:]
    y = m.add("MatMul", [x, m.transpose(x, [0, 2, 1])], ("N", f, f))
    y = m.to_flat(m.add("Mul", [y, m.const(np.float32(1 / d))], y.shape))
    if f > 1 and m.chance():
        pairs = np.array([i * f + k for i in range(f) for k in range(i)], np.int64)
        y = m.add("Gather", [y, m.const(pairs)], ("N", len(pairs)), axis=1)
    return m.flat.append(y)


def attention(m):
    if not m.fields:
        return all_embeddings(m)
    x = m.pick(m.fields)
    t = x.shape[1]
    q, k, v = (linear(m, x, DIM) for _ in range(3))
    mask = next((mask for of, mask in m.masks if of is x), None)
    if m.chance() and isinstance(t, (int, str)):
        q, k, v = (m.transpose(m.reshape(p, ("N", t, 2, DIM // 2)), [0, 2, 1, 3])
                   for p in (q, k, v))
    rank = len(q.shape)
    perm = list(range(rank - 2)) + [rank - 1, rank - 2]
    shape = q.shape[:-1] + (t,)
    score = m.add("MatMul", [q, m.transpose(k, perm)], shape)
    score = m.add(*m.pick([("Div", [score, m.const(np.float32(2))]),
                           ("Mul", [score, m.const(np.float32(0.5))])]), shape)
    if mask is not None and m.chance(0.7):
        for axis in range(1, rank - 1):
            mask = m.unsqueeze(mask, axis)
        score = m.add("Where", [mask, score, m.const(np.float32(-1e9))], shape)
    axis = -1 if m.opset < 13 else m.pick([-1, rank - 1])
    y = m.add("MatMul", [m.add("Softmax", [score], shape, axis=axis), v], q.shape)
    if rank == 4:
        y = m.reshape(m.transpose(y, [0, 2, 1, 3]), ("N", t, DIM))
    y = linear(m, y, DIM)
    if m.chance():
        y = m.add("Add", [y, x], y.shape)
    m.fields.append(layer_norm(m, y) if m.chance() else m.tame(y))


def pooled(m):
    if not m.fields:
        return all_embeddings(m)
    x = m.pick(m.fields)
    op = m.pick(["ReduceMean", "ReduceMax", "ReduceSum", "ReduceMin", "ReduceL2", "ReduceL1",
                 "ReduceSumSquare", "ReduceLogSumExp"])
    m.flat.append(m.tame(m.reduce_flat(op, x)))


def masked_mean(m):
    if not m.masks:
        return pooled(m)
    x, mask = m.pick(m.masks)
    ones = m.unsqueeze(m.cast(mask, F32), 2)
    total = m.reduce("ReduceSum", m.add("Mul", [x, ones], x.shape), 1, keep=False)
    count = m.reduce("ReduceSum", ones, 1, keep=False)
    count = m.add("Clip", [count, m.const(np.float32(1))], count.shape)
    m.flat.append(m.add("Div", [total, count], total.shape))


def normalised(m):
    x = m.pick(m.flat)
    length = m.reduce("ReduceL2", x, 1, keep=True)
    length = m.add("Clip", [length, m.const(np.float32(0.1)), ""], length.shape)
    if m.chance():
        shape = m.add("Shape", [x], (2,), I64)
        length = m.add("Expand", [length, shape], x.shape)
    m.flat.append(m.add("Div", [x, length], x.shape))


def experts(m):
    x, n, count = m.pick(m.flat), m.pick([3, 8]), m.size(2, 3)
    each = [m.unsqueeze(activation(m, linear(m, x, n)), 1) for _ in range(count)]
    gate = m.add("Softmax", [linear(m, x, count)], ("N", count), axis=1)
    stacked = m.concat(each, 1)
    y = m.add("Mul", [stacked, m.unsqueeze(gate, 2)], stacked.shape)
    m.flat.append(m.tame(m.reduce("ReduceSum", y, 1, keep=False)))


# ---- sequences

def positions(m):
    """A learnt vector for each position, by Range, or the first T of a table."""
    x = sequence(m)
    if x is None:
        return all_embeddings(m)
    t = m.size_of(x, 1)
    table = m.weight(12, DIM, scale=1.0)
    if m.chance():
        index = m.add("Range", [m.const(0, np.int64), m.squeeze(t, 0), m.const(1, np.int64)],
                      ("T",), I64)
        found = m.add("Gather", [table, index], ("T", DIM), axis=0)
    else:
        found = m.add("Slice", [table, m.integers(0), t, m.integers(0)], ("T", DIM))
    m.fields.append(m.add("Add", [x, found], x.shape))


def sequence(m):
    some = [v for v in m.fields if v.shape[1] == "T"]
    return m.pick(some) if some else None


def last_position(m):
    x = m.pick(m.fields) if m.fields else None
    if x is None:
        return all_embeddings(m)
    how = m.size(0, 2)
    if how == 0:
        return m.flat.append(m.add("Gather", [x, m.const(-1, np.int64)], ("N", DIM), axis=1))
    y = m.add("Slice", [x, m.integers(-1), m.integers(2**63 - 1), m.integers(1)],
              ("N", 1, DIM))
    if how == 1:
        return m.flat.append(m.squeeze(y, 1))
    return m.fields.append(m.add("Sub", [x, y], x.shape))


def causal_attention(m):
    x = sequence(m)
    if x is None or m.opset < 14:
        return attention(m)
    shape = ("N", "T", "T")
    score = m.add("MatMul", [linear(m, x, DIM), m.transpose(linear(m, x, DIM), [0, 2, 1])],
                  shape)
    t = m.size_of(x, 1)
    ones = m.add("Expand", [m.const(np.float32(1)), m.concat([t, t], 0)], ("T", "T"))
    lower = m.add("Trilu", [ones], ("T", "T"), upper=0)
    seen = m.add("Equal", [lower, m.const(np.float32(0))], ("T", "T"), BOOL)
    score = m.add("Where", [seen, m.const(np.float32(-1e9)), score], shape)
    y = m.add("MatMul", [m.add("Softmax", [score], shape, axis=-1), x], x.shape)
    m.fields.append(layer_norm(m, y))


def target_attention(m):
    """Deep interest: every position beside the target, through one perceptron."""
    x = sequence(m)
    if x is None:
        return attention(m)
    target = linear(m, m.pick(m.flat), DIM)
    wide = m.unsqueeze(target, 1)
    if m.chance():
        wide = m.add("Expand", [wide, m.add("Shape", [x], (3,), I64)], x.shape)
    else:
        count = m.concat([m.integers(1), m.size_of(x, 1), m.integers(1)], 0)
        wide = m.add("Tile", [wide, count], x.shape)
    both = [m.add("Mul", [x, wide], x.shape), m.add("Sub", [x, wide], x.shape)]
    y = m.concat([x, wide] + both, 2)
    if m.chance():
        y = m.add("Reshape", [y, m.integers(-1, 4 * DIM)], ("R", 4 * DIM))
        y = linear(m, activation(m, linear(m, y, 8)), 1)
        back = m.concat([m.size_of(x, 0), m.size_of(x, 1), m.integers(1)], 0)
        y = m.add("Reshape", [y, back], ("N", "T", 1))
    else:
        y = linear(m, activation(m, linear(m, y, 8)), 1)
    if m.chance():
        y = m.add("Softmax", [m.squeeze(y, 2)], ("N", "T"), axis=1)
        y = m.unsqueeze(y, 1)
        return m.flat.append(m.tame(m.squeeze(m.add("MatMul", [y, x], ("N", 1, DIM)), 1)))
    y = m.reduce("ReduceSum", m.add("Mul", [y, x], x.shape), 1, keep=False)
    return m.flat.append(m.tame(y))


def first_token(m):
    """A learnt token in front of the sequence, looked at after a mixing step."""
    x = sequence(m)
    if x is None:
        return all_embeddings(m)
    shape = m.concat([m.size_of(x, 0), m.integers(1, DIM)], 0)
    token = m.add("Expand", [m.weight(1, 1, DIM), shape], ("N", 1, DIM))
    y = m.add("Concat", [token, x], ("N", "T1", DIM), axis=1)
    y = layer_norm(m, m.add("CumSum", [y, m.const(1, np.int64)], y.shape)
                   if m.chance() else activation(m, y))
    m.flat.append(m.add("Gather", [y, m.const(m.pick([0, -1]), np.int64)], ("N", DIM), axis=1))


def turned(m):
    """Time first, as recurrent layers have it."""
    if not m.fields:
        return all_embeddings(m)
    x = m.pick(m.fields)
    y = linear(m, m.transpose(x, [1, 0, 2]), DIM)
    y = activation(m, y)
    if m.chance():
        return m.flat.append(m.tame(m.reduce("ReduceSum", y, 0, keep=False)))
    return m.fields.append(m.tame(m.transpose(y, [1, 0, 2])))


def bilinear(m):
    """x W y for two fields, or for all with all by broadcasting."""
    x, d = m.pick(m.flat), m.pick([2, DIM])
    a, b = m.unsqueeze(linear(m, x, d), 1), m.unsqueeze(linear(m, m.pick(m.flat), d), 2)
    if m.chance():
        return m.flat.append(m.tame(m.to_flat(m.add("MatMul", [b, a], ("N", d, d)))))
    if m.chance():
        y = m.add("MatMul", [a, b], ("N", 1, 1))
        return m.flat.append(m.tame(m.squeeze(y, 2)))
    y = m.add("Mul", [a, b], ("N", d, d))
    return m.flat.append(m.tame(m.to_flat(y)))


def twice(m):
    """In double precision for a while."""
    x = m.pick(m.flat)
    wide = m.cast(x, F64)
    wide = m.add("Mul", [wide, m.const(np.float64(0.75))], x.shape, F64)
    if m.chance():
        wide = m.add("MatMul", [wide, m.const(m.rng.normal(0, 0.4, (x.shape[1], 3)))],
                     ("N", 3), F64)
    wide = m.add(m.pick(["Tanh", "Sigmoid", "Exp"]), [m.add("Tanh", [wide], wide.shape, F64)],
                 wide.shape, F64)
    m.flat.append(m.cast(wide, F32))


def channel_norm(m):
    """BatchNormalization over the fields of [N, F, d]."""
    some = [v for v in m.fields if isinstance(v.shape[1], int)]
    if not some:
        return all_embeddings(m)
    x = m.pick(some)
    parts = [m.const(m.rng.uniform(0.3, 2, x.shape[1]).astype(np.float32)) for _ in range(4)]
    return m.fields.append(m.add("BatchNormalization", [x] + parts, x.shape))


# ---- plumbing

def where(m):
    x = m.pick(m.flat)
    column = m.slice(m.dense, 1, 0, 1)
    if m.flag is not None and m.chance():
        test = m.flag
    elif m.ints and m.chance():
        of = m.slice(m.pick(m.ints), 1, 0, 1)
        test = m.add(m.pick(["Equal", "Less", "Greater"]), [of, m.const(3, np.int64)],
                     of.shape, BOOL)
    else:
        test = m.add(m.pick(["Less", "Greater"]), [column, m.const(np.float32(0.1))],
                     column.shape, BOOL)
    if m.chance(0.3):
        test = m.add(m.pick(["And", "Or", "Xor"]),
                     [test, m.add("Not", [test], test.shape, BOOL)], test.shape, BOOL)
    other = m.pick([m.weight(), m.weight(x.shape[1]), m.const(np.float32(0))])
    pair = [x, other] if m.chance() else [other, x]
    m.flat.append(m.add("Where", [test] + pair, x.shape))


def cut(m):
    x = m.pick(m.flat)
    n = x.shape[1]
    how = m.size(0, 4)
    if how == 0 and n > 1:
        at = m.size(1, n - 1)
        m.flat.extend(m.split(x, 1, [at, n - at]))
    elif how == 1:
        m.flat.append(m.slice(x, 1, n - 1, -2**63, -1))
    elif how == 2 and n > 2:
        m.flat.append(m.slice(x, 1, 0, n, 2))
    elif how == 3:
        index = m.rng.integers(-n, n, m.size(1, 4))
        m.flat.append(m.add("Gather", [x, m.const(index)], ("N", len(index)), axis=1))
    else:
        m.flat.append(m.transpose(activation(m, m.transpose(x, [1, 0])), [1, 0])
                      if m.chance() else m.add("Tile", [x, m.integers(1, 2)], ("N", 2 * n)))


def constant_rows(m):
    """A learnt vector, once for every row of the request."""
    n = m.pick([1, 3, DIM])
    size = m.size_of(m.dense, 0)
    shape = m.concat([size, m.integers(n)], 0)
    if m.chance():
        y = m.add("Expand", [m.weight(1, n), shape], ("N", n))
    else:
        zeros = m.add("ConstantOfShape", [shape], ("N", n))
        y = m.add("Add", [zeros, m.weight(n)], ("N", n))
    m.flat.append(y)


def regroup(m):
    """[N, a b] -> [N, a, b] -> something -> [N, …]."""
    x = m.pick([v for v in m.flat])
    n = x.shape[1]
    parts = [p for p in (2, 3, 4) if n % p == 0]
    if not parts:
        return cut(m)
    a = m.pick(parts)
    y = m.reshape(x, ("N", a, n // a))
    how = m.size(0, 2)
    if how == 0:
        y = m.transpose(y, [0, 2, 1])
    elif how == 1:
        y = m.add("Softmax", [y], y.shape, axis=m.pick([1, 2]))
    else:
        y = m.add("Mul", [y, m.weight(a, 1)], y.shape)
    if y.shape[2] == DIM:
        m.fields.append(y)
    m.flat.append(m.to_flat(y))


def elementwise(m):
    x = m.pick(m.flat)
    same = [v for v in m.flat if v.shape == x.shape or v.shape == ("N", 1)]
    for _ in range(m.size(1, 4)):
        other = m.pick([lambda: m.pick(same), lambda: m.weight(x.shape[1]), lambda: m.weight(),
                        lambda: m.weight(1, 1)])()
        pair = [x, other] if m.chance() else [other, x]
        op = m.pick(["Add", "Sub", "Mul", "Max", "Min", "Sum", "Mean"])
        x = m.add(op, pair + ([other] if op in ("Max", "Sum") and m.chance() else []), x.shape)
        if m.chance(0.3):
            x = m.add(m.pick(["Abs", "Neg", "Exp", "Sin", "Cos"]), [m.tame(x)], x.shape)
    m.flat.append(m.tame(x))


def whole_numbers(m):
    """Integer arithmetic on ids, kept for an output or used as ids again."""
    if not m.ints:
        return elementwise(m)
    x = m.pick(m.ints)
    how = m.size(0, 4)
    if how == 0:
        y = m.add("Mod", [m.add("Mul", [x, m.const(7, np.int64)], x.shape, I64),
                          m.const(VOCABULARY, np.int64)], x.shape, I64)
        m.ids.append(y)
    elif how == 1:
        y = m.add("Div", [x, m.const(2, np.int64)], x.shape, I64)
        m.ids.append(y)
    elif how == 2:
        y = m.cast(m.add("Equal", [x, m.const(2, np.int64)], x.shape, BOOL), I64)
    elif how == 3:
        y = m.cast(m.cast(x, F32), I64)
        m.flat.append(m.add("Mul", [m.cast(y, F32), m.const(np.float32(0.1))], y.shape))
    else:
        y = m.add("Sub", [x, m.const(3, np.int64)], x.shape, I64)
    m.ints.append(y)


def ranked(m):
    n = m.dense.shape[1]
    k = m.size(1, n)
    how = m.size(0, 3)
    if how == 0:
        values, index = m.add_many("TopK", [m.dense, m.integers(k)], [("N", k)] * 2, axis=-1)
        index = index._replace(dtype=I64)
        m.flat.append(values)
        m.ints.append(index)
    elif how == 1:
        m.ints.append(m.add("ArgMax", [m.dense], ("N", 1), I64, axis=1, keepdims=1))
    elif how == 2:
        m.flat.append(m.tame(m.add("CumSum", [m.dense, m.const(1, np.int64)], m.dense.shape)))
    else:
        index = m.add("ArgMin", [m.dense], ("N", 1), I64, axis=1, keepdims=1)
        m.flat.append(m.add("GatherElements", [m.dense, index], ("N", 1), axis=1))


def across_rows(m):
    """What one row is beside the others."""
    m.row_by_row = False
    x = m.pick(m.flat)
    mean = m.reduce("ReduceMean", x, 0, keep=True)
    m.flat.append(m.add("Sub", [x, mean], x.shape))


INPUTS = [dense_input, id_input, sequence_input, flag_input]
BODY = [field_embeddings, field_embeddings, all_embeddings, first_order, perceptron, perceptron,
        perceptron, tower_concat, tower_concat, factorisation, cross, dot_products, attention,
        attention, pooled, pooled, masked_mean, normalised, experts, where, cut, constant_rows,
        regroup, elementwise, elementwise, whole_numbers, ranked, positions, last_position,
        causal_attention, target_attention, first_token, turned, bilinear, twice, channel_norm]


def head(m):
    some = [m.pick(m.flat) for _ in range(m.size(1, 4))]
    x = m.concat(some, 1) if len(some) > 1 else some[0]
    x = layers(m, x, m.size(0, 3))
    x = linear(m, x, m.pick([1, 1, 1, 2, 5]))
    last = m.pick(["Sigmoid", "Softmax", "LogSoftmax", ""])
    if last:
        x = m.add(last, [x], x.shape, **({"axis": 1} if "Soft" in last else {}))
    if x.shape[1] == 1 and m.chance(0.3):
        x = m.squeeze(x, 1)
    outputs = [x]
    more = m.flat + m.fields + m.ints + m.ids
    while m.chance(0.4):
        outputs.append(m.pick(more))
    if m.chance(0.05) and m.constants:
        outputs.append(m.pick(m.constants))
    for v in outputs:
        if v.name not in [o.name for o in m.outputs]:
            m.outputs.append(v)


def make(seed):
    """A Maker with the graph of that seed."""
    m = Maker(seed)
    for pattern in INPUTS:
        pattern(m)
    for _ in range(m.size(1, 9)):
        m.pick(BODY)(m)
    if m.chance(0.1):
        across_rows(m)
    head(m)
    return m
