"""Routes, one file a resource. Each parses, checks permissions, calls a service and shapes the answer."""
