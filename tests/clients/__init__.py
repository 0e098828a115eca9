"""Each vendor client against a vendor that answers in a fixed order."""
