"""Compose files: read as Docker Compose reads them, judged by what is known to be good, written so that all agree."""
