"""The same application in every framework: see ``front``."""
