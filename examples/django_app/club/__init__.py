"""A reading club, whose members are the users of Django."""
