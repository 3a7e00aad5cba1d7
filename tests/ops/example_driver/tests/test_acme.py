"""The contract, and nothing of our own: everything else is in the capture."""

from drivers.contract import DriverContract


class TestGauge(DriverContract):
    driver = "acme-gauge"
    section = {"address": 7}  # noqa: RUF012
    captures = "captures/*.cap"
