"""Toy actions: generated skeleton sequences for the demo and the tests, not for research."""
