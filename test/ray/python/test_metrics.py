"""What a host says of itself, as Ray's metrics are told it."""

from __future__ import annotations

from seedcore_ray import HostMetrics

TEXT = """# HELP seedcore_calls_total Calls.
# TYPE seedcore_calls_total counter
seedcore_calls_total{{service="ml",code="OK",host="ml"}} {calls}
seedcore_calls_total{{service="ml",code="DEADLINE",host="ml"}} 0
# HELP seedcore_calls_in_flight In flight.
# TYPE seedcore_calls_in_flight gauge
seedcore_calls_in_flight{{host="ml"}} {in_flight}
# HELP seedcore_call_seconds Time.
# TYPE seedcore_call_seconds histogram
seedcore_call_seconds_bucket{{le="0.5",host="ml"}} 2
seedcore_call_seconds_bucket{{le="+Inf",host="ml"}} 3
seedcore_call_seconds_sum{{host="ml"}} {seconds}
seedcore_call_seconds_count{{host="ml"}} 3
"""


def read(metrics: HostMetrics, calls: int, in_flight: int, seconds: float) -> dict[str, float]:
    text = TEXT.format(calls=calls, in_flight=in_flight, seconds=seconds)
    return {reading.name: reading.value for reading in metrics.read(text)}


def test_counters_are_told_by_how_much_they_grew_and_gauges_as_they_are() -> None:
    metrics = HostMetrics()
    assert read(metrics, calls=5, in_flight=2, seconds=1.5) == {
        "seedcore_calls": 5,
        "seedcore_calls_in_flight": 2,
        "seedcore_call_seconds_sum": 1.5,
        "seedcore_call_seconds_count": 3,
    }
    assert read(metrics, calls=7, in_flight=0, seconds=2.0) == {
        "seedcore_calls": 2,
        "seedcore_calls_in_flight": 0,
        "seedcore_call_seconds_sum": 0.5,
    }


def test_a_counter_that_began_anew_grew_by_what_it_shows() -> None:
    metrics = HostMetrics()
    read(metrics, calls=5, in_flight=0, seconds=1.0)
    assert read(metrics, calls=2, in_flight=0, seconds=1.0)["seedcore_calls"] == 2


def test_labels_and_help_stay() -> None:
    first = next(iter(HostMetrics().read(TEXT.format(calls=1, in_flight=0, seconds=0.1))))
    assert first.labels == {"service": "ml", "code": "OK", "host": "ml"}
    assert first.help == "Calls."
    assert first.is_counter
