"""Converters that other people wrote, which make of our tools what their models are shown."""
