"""Demos of the node: a simulated camera, programs that play and listen, and their reports."""
