"""What keeps a server going: its updates, its room, its boots."""
