"""The containers on a server: which are an app's, what they log, and whether they are new, complete and isolated."""
