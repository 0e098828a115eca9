"""The image: what its build is given, and what a linter that reads it as Docker does says of it."""
