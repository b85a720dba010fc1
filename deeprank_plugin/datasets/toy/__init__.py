"""Toy actions: generated skeleton sequences for the demo and the tests; no evidence of anything."""
