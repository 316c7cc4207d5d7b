"""Demos of the node: a simulated camera, sessions that run it with the node, and their reports."""
