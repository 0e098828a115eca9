"""When a backup counts as old, and ages in words."""

OLD_BACKUP_S = 2 * 86_400
"""Coolify's own is daily (ProductionSeeder's `0 0 * * *`): one may fail before it is worth a finding."""


def days(seconds: int) -> str:
    """Return an age in days, or in hours below two days."""
    return f"{seconds // 86_400} d" if seconds >= OLD_BACKUP_S else f"{seconds // 3600} h"
