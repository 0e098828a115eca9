"""Tests of durable execution: processes that are killed, and those that go on with their work."""
