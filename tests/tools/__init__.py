"""The tools, over the whole product and a pretend world."""
