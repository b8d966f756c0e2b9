"""Mutation testing with one build: see tools/mutants."""
