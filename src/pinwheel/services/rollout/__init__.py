"""Rules, policies and rollouts, carried out."""
