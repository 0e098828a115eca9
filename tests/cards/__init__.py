"""The cards, shown in a real browser by a host that others wrote the half of; run by `make conformance`."""
