"""Users' apps: what one is and shall be, where it lives, the steps that roll it out, and the proofs that it runs so."""
