"""What Docker Compose makes of a file (seen with 2.26.1, read in compose-spec/compose-go 2.0)."""
