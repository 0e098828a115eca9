"""What keeps a server going: its updates, its room, its boots, and whether all of it is back after one."""
