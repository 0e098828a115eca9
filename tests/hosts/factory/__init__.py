"""Tests of what is read and changed on the Factory itself."""
