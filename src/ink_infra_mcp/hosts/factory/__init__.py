"""The Factory's own host: Coolify's container and, beside it, what keeps the control plane alive."""
