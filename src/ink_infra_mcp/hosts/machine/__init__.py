"""A server itself: how it is first logged in to, what it is made of, and what its sshd lets in."""
