"""What there is to see, as frozen values. Nothing here locks or writes."""
