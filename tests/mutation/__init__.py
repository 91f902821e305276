"""Mutation checks: would a test of a module notice if a line of it were wrong? ``make mutation``.

Our own, since neither tool that is kept fits (mutmut 3.8.1, cosmic-ray 8.7.0). The first leaves out what
stands outside of functions or in a decorated one, which are our tables and properties, changes messages with
all other texts, and takes any test that runs a line. The second changes no texts and leaves out no
statements, but changes each ``|`` of an annotation in ten ways that nothing can tell, and starts an
interpreter for each of 5,400 mutants, which takes hours where forks take minutes.
"""
