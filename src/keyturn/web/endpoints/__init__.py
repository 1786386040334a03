"""Endpoints: one generator each, from a request to a reply. A refusal is raised and converted by ``web.problem``."""
