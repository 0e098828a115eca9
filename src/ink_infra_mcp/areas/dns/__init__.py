"""What is known of DNS: which zone a name is in, who serves it, what its records are and should be, and the proofs."""
