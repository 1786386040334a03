"""Compose: from settings to the parts of an issuer. The only room that names concrete stores."""
