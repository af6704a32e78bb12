"""Reads a page of metrics with Prometheus's own parser for Python.

Prints `FAMILY name type` for each family and a PEER line; fails where the parser does, where a family has no help, or
where a sample is there twice.
"""

import sys
import urllib.request
from importlib.metadata import version

from prometheus_client.parser import text_string_to_metric_families

with urllib.request.urlopen(sys.argv[1], timeout=30) as answer:
    kind = answer.headers["Content-Type"]
    text = answer.read().decode("utf-8")
assert kind == "text/plain; version=0.0.4; charset=utf-8", kind

seen = set()
for family in text_string_to_metric_families(text):
    assert family.documentation, family.name
    for sample in family.samples:
        key = (sample.name, tuple(sorted(sample.labels.items())))
        assert key not in seen, key
        seen.add(key)
        assert sample.value >= 0, sample
    print(f"FAMILY {family.name} {family.type}")
assert len(seen) > 100, len(seen)
print(f"PEER prometheus-client {version('prometheus-client')}: read {len(seen)} samples")
