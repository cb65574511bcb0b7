"""Reads and writes files below /data: text, bytes, a database of its own, directories, times."""

import csv
import gzip
import os
import pathlib
import pickle
import shutil
import sys
import tempfile

data = pathlib.Path("/data")

with open(data / "input.csv", newline="") as file:
    rows = list(csv.DictReader(file))
total = sum(int(row["amount"]) for row in rows)
print("rows", len(rows), "total", total)

(data / "out").mkdir()
(data / "out" / "total.txt").write_text(f"{total}\n")
with gzip.open(data / "out" / "rows.gz", "wb") as file:
    pickle.dump(rows, file)
with gzip.open(data / "out" / "rows.gz", "rb") as file:
    print("same again", pickle.load(file) == rows)

with open(data / "out" / "bytes", "w+b") as file:
    file.write(bytes(range(256)) * 256)
    file.seek(-2, os.SEEK_END)
    print("last bytes", file.read())
    file.truncate(1000)
print("size", (data / "out" / "bytes").stat().st_size)
os.utime(data / "out" / "bytes", (1_000_000_000, 1_000_000_000))
print("modified", int((data / "out" / "bytes").stat().st_mtime))

os.rename(data / "out" / "bytes", data / "out" / "renamed")
print("names", sorted(os.listdir(data / "out")))
shutil.rmtree(data / "out" / "missing", ignore_errors=True)
with tempfile.TemporaryDirectory(dir=data) as name:
    pathlib.Path(name, "x").touch()
    print("walk", sum(len(files) for _, _, files in os.walk(data)))
try:
    open("/data/../../outside")
except OSError as error:
    print("outside", type(error).__name__)
sys.exit(7)
