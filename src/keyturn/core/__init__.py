"""Pure domain logic without input or output: policies, session lifecycle, credentials, revocations."""
