"""One vendor each, over HTTP. What a vendor is asked and told is only here; nothing in this package knows a tool."""
