"""The official conformance suite of the Model Context Protocol, run against our own server with its fixtures."""
