"""How the shape of the code is measured and held."""
