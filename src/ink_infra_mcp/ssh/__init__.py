"""The way to a server: words, connections, places, failures. It knows no subject: that is for `hosts`."""
