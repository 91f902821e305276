"""The keeper: a process of its own that looks after runs each second, beside the Dag processor's parses."""
