"""Endpoints: one generator for each, from a request to a reply. Refusals are raised, and said by ``problem``."""
