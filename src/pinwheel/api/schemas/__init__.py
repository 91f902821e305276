"""Wire types: what the API takes and gives, one file for what each file of routes answers."""
