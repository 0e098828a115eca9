"""What real hosts said and what connects saw, and the script that recorded it."""
