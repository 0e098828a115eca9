"""Docker's volumes on servers: what they hold, their sums, and their copies on another server."""
