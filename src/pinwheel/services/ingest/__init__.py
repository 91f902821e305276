"""What comes from bundles: versions taken in, parsed files as builds, what follows from each."""
