"""Keys, one per algorithm, and tokens forged with them."""

from forgeries import every_key, forge, key, modulus

__all__ = ["every_key", "forge", "key", "modulus"]
