"""Construction of an issuer's components from settings. The only package that imports concrete stores."""
