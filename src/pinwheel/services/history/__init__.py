"""What really ran. Nothing here locks or writes."""
