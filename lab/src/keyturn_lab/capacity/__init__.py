"""Capacity: what a fleet of issuers and verifiers needs, what breaks first, and a simulation beside the formulas."""
