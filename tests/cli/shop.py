"""An application whose accounts have user names, one of which is the key of another account."""

from keyturn.accounts import Login

HASHES = {1: "", 2: "", 3: ""}
NAMES = {"ada": 1, "grace": 2, "1": 3}


class Customers:
    subject_type = int

    def find(self, identifier: str) -> Login | None:
        return self.load(NAMES[identifier]) if identifier in NAMES else None

    def load(self, subject: int) -> Login | None:
        names = [name for name, key in NAMES.items() if key == subject]
        return Login(subject=subject, password_hash=HASHES[subject], identifier=names[0]) if names else None

    def set_password(self, subject: int, new: str, expected: str) -> bool:
        return False

    def normalise(self, text: str) -> str:
        return text.strip().lower()
