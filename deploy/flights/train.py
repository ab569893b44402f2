# SPDX-License-Identifier: Apache-2.0
"""Trains the flights model once and exports it with PyTorch's own exporter.

    pip install -r requirements.txt && python train.py

Writes vocabulary.json here and ../models/flights/1/model.onnx. Takes a minute or two on one
core. The demo does not run this: its results are in the repository.
"""

import json
import os
import time
import warnings

import numpy as np
import torch
from torch import nn

import rows

MODEL = os.path.join(rows.HERE, "..", "models", "flights", "1", "model.onnx")
EMBEDDING = 8
EPOCHS = 8
BATCH_ROWS = 512


class LateArrival(nn.Module):
    """Embeddings of the ids and normalised features into an MLP: probability of a late arrival."""

    def __init__(self, sizes, mean, scale):
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(size, EMBEDDING) for size in sizes)
        self.register_buffer("mean", mean)
        self.register_buffer("scale", scale)
        inputs = EMBEDDING * len(sizes) + len(mean)
        self.mlp = nn.Sequential(
            nn.Linear(inputs, 256), nn.BatchNorm1d(256), nn.ReLU(), nn.Dropout(0.3),
            nn.Linear(256, 128), nn.BatchNorm1d(128), nn.ReLU(), nn.Dropout(0.3),
            nn.Linear(128, 1))

    def logit(self, ids, features):
        vectors = [table(ids[:, n]) for n, table in enumerate(self.tables)]
        return self.mlp(torch.cat(vectors + [(features - self.mean) / self.scale], dim=1))

    def forward(self, ids, features):
        return torch.sigmoid(self.logit(ids, features))


def train(model, data, epochs):
    ids, features = torch.from_numpy(data.ids), torch.from_numpy(data.features)
    late = torch.from_numpy(data.late.astype(np.float32))[:, None]
    steps = epochs * (len(late) // BATCH_ROWS)
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
    loss_of = nn.BCEWithLogitsLoss()
    for epoch in range(epochs):
        model.train()
        started, order, total = time.monotonic(), torch.randperm(len(late)), 0.0
        for at in range(0, len(late) - BATCH_ROWS + 1, BATCH_ROWS):
            batch = order[at:at + BATCH_ROWS]
            loss = loss_of(model.logit(ids[batch], features[batch]), late[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
        print(f"epoch {epoch + 1}/{epochs}: loss {total / (len(late) // BATCH_ROWS):.4f}, "
              f"{time.monotonic() - started:.1f} s", flush=True)
    return model.eval()


def judge(model, data):
    with torch.no_grad():
        score = model(torch.from_numpy(data.ids), torch.from_numpy(data.features))
    return rows.auc(data.late, score[:, 0].numpy())


def build(vocabulary, data):
    torch.manual_seed(2013)
    scale = data.features.std(axis=0) + 1e-6
    return LateArrival([len(vocabulary["words"][name]) + 1 for name in rows.IDS],
                       torch.from_numpy(data.features.mean(axis=0)), torch.from_numpy(scale))


def export(model, data):
    batch = torch.export.Dim("rows", min=1)
    example = (torch.from_numpy(data.ids[:4]), torch.from_numpy(data.features[:4]))
    os.makedirs(os.path.dirname(MODEL), exist_ok=True)
    program = torch.onnx.export(
        model, example, dynamo=True, verbose=False, external_data=False,
        input_names=["ids", "features"], output_names=["probability"],
        dynamic_shapes=({0: batch}, {0: batch}))
    for node in program.model.graph:  # stack traces name folders of the machine that trained
        node.metadata_props.clear()
    program.save(MODEL, external_data=False)


def main():
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    ids, features, late, day = rows.raw_rows()
    training = rows.is_training_day(day)
    vocabulary = rows.make_vocabulary([c[training] for c in ids], features[training])
    everything = rows.encode(vocabulary, ids, features, late)
    seen, unseen = everything.take(training), everything.take(~training)
    print(f"{len(seen)} rows to train on, {len(unseen)} held out, {late.mean():.1%} late",
          flush=True)
    model = train(build(vocabulary, seen), seen, EPOCHS)
    print(f"AUC: {judge(model, seen):.4f} on the rows trained on, "
          f"{judge(model, unseen):.4f} on the held-out days")
    with open(rows.VOCABULARY, "w", encoding="utf-8") as file:
        json.dump(vocabulary, file, indent=1)
        file.write("\n")
    export(model, seen)
    print(f"{os.path.relpath(MODEL, rows.HERE)}: {os.path.getsize(MODEL)} bytes")


if __name__ == "__main__":
    main()
