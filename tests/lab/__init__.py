"""Real servers on one machine: a Factory, two Muscles and any number of light ones, and what is proved on them."""
