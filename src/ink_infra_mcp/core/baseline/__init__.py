"""What a server of the fleet is made of: the rules, what a server lacks of them, and the steps that mend it."""
