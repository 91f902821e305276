"""Rules and policies: how they come in, and what is said of them."""
