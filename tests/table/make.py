# SPDX-License-Identifier: Apache-2.0
"""Writes the files that the readers of .safetensors and .npy are tested with.

Good files and malformed ones go to tests/fuzz/corpus/fuzz_safetensors/ and fuzz_npy/, where the
fuzzers begin with them; what a reader must find in each, or say of it, goes to expected.json.
The good ones are written by numpy and safetensors, or are variations that those read, and what
they read stands in expected.json. Each malformed one must be refused by them too, unless it is
named among those that they accept.

Needs the packages of requirements.txt; running the tests does not.

    python make.py
"""

import json
import pathlib
import warnings

import npy_cases
import safetensors_cases

HERE = pathlib.Path(__file__).resolve().parent
CORPUS = HERE.parent / "fuzz" / "corpus"
KINDS = {"npy": npy_cases, "safetensors": safetensors_cases}


def accepts(cases, blob):
    try:
        cases.read(blob)
    except Exception:  # each package has its own
        return False
    return True


def write(kind, cases):
    folder = CORPUS / f"fuzz_{kind}"
    folder.mkdir(parents=True, exist_ok=True)
    for old in [*folder.glob("ok_*"), *folder.glob("bad_*")]:
        old.unlink()
    good = {}
    for name, blob in cases.OK.items():
        good[name] = cases.read(blob)
        (folder / f"ok_{name}").write_bytes(blob)
    bad = {}
    for name, blob, sentence in cases.BAD:
        assert name not in bad, name
        assert accepts(cases, blob) == (name in cases.ACCEPTED), f"{kind} {name}"
        bad[name] = sentence
        (folder / f"bad_{name}").write_bytes(blob)
    assert cases.ACCEPTED <= bad.keys()
    print(f"{kind}: {len(good)} good, {len(bad)} malformed")
    return {"ok": good, "bad": bad}


def main():
    warnings.simplefilter("ignore")  # of numpy, about headers of Python 2
    expected = {kind: write(kind, cases) for kind, cases in KINDS.items()}
    text = json.dumps(expected, indent=1, ensure_ascii=True, sort_keys=True)
    (HERE / "expected.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
