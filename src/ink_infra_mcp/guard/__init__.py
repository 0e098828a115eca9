"""Wraps every mutation from outside: plan, policy, approval, lock, plan again, audit, permit, run, verify, audit."""
