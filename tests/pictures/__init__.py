"""The pictures of the README: a terminal with what the demo really printed, drawn anew whenever that changes."""
