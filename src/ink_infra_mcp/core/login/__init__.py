"""Who may log in to a server and how: what sshd says, judged against the policy, and the steps that mend it."""
