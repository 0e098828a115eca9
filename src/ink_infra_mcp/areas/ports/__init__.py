"""The ports of servers: who gets in through which layer, what policy says to it, and the steps that mend it."""
