"""Tests of what is known of machines."""
