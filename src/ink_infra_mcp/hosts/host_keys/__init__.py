"""Host keys that servers show before anybody logs in, held against what a provider told of them."""
