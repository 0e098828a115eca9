"""What several tools share: finding apps, placing them, proving them."""
