"""Capacity planning for a fleet of issuers and verifiers, with formulas and a simulation."""
