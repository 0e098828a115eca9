"""Our way to the servers beside what others use: the same facts of the same light servers, in one run."""
