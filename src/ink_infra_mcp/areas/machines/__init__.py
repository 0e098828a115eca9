"""What is known of machines: those that can be had and what they cost, and the life of a Muscle, step by step."""
