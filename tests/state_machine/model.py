"""The specification of an issuer over time: accounts, sessions, marks, secrets, a clock. None of it is Keyturn code."""

from dataclasses import dataclass, field

INACTIVITY, OVERALL, GRACE, TOUCH = 600, 900, 30, 60
ACCESS, LEEWAY = 60, 5


@dataclass
class Person:
    """An account. ``generation``: raised by whatever ends all of its sessions."""

    subject: str
    password: str
    generation: int = 0
    disabled: bool = False


@dataclass
class Login:
    """A session."""

    person: Person
    client: str
    generation: int
    created: int
    seen: int
    authenticated: int
    renewals: int = 0
    rotations: int = 0
    rotated: int | None = None
    ended: bool = False
    purged: bool = False

    def see(self, now: int) -> None:
        self.seen = max(self.seen, now)

    @property
    def expires(self) -> int:
        return min(self.seen + INACTIVITY, self.created + OVERALL)


@dataclass
class Token:
    """An issued credential. ``secret``: index of the server secret that sealed it."""

    kind: str
    login: Login
    number: int
    secret: int
    text: str
    issued: int = 0
    generation: int = 0


@dataclass
class Model:
    """Everything at one moment."""

    now: int
    secret: int = 0
    people: dict[str, Person] = field(default_factory=dict)
    logins: dict[str, Login] = field(default_factory=dict)
    everything: int = 0
    clients: dict[str, int] = field(default_factory=dict)

    def not_before(self, client: str) -> int:
        return max(self.everything, self.clients.get(client, 0))

    def void(self, login: Login) -> bool:
        behind = login.generation < login.person.generation
        return login.ended or behind or login.created < self.not_before(login.client)

    def refusal(self, login: Login) -> str | None:
        """Why a session cannot be used, if it cannot."""
        if login.purged or self.void(login):
            return "TokenRevoked"
        if self.now >= login.created + OVERALL or self.now >= login.seen + INACTIVITY:
            return "SessionEnded"
        return None

    def unreadable(self, token: Token) -> bool:
        """Its session is gone, or its secret is no longer honoured."""
        return token.login.purged or token.secret < self.secret - 1

    def open(self, sid: str, person: Person, client: str) -> Login:
        created = max(self.now, self.not_before(client))
        self.logins[sid] = Login(person, client, person.generation, created, created, self.now)
        return self.logins[sid]

    def enter(self, name: str, password: str) -> str | None:
        person = self.people.get(name)
        if person is None or person.disabled or person.password != password:
            return "LoginFailed"
        return None

    def verify(self, token: Token) -> str | None:
        if self.unreadable(token):
            return "TokenInvalid"
        login = token.login
        refusal = self.refusal(login)
        if refusal is None and token.number < login.renewals:
            return "TokenRevoked"
        if refusal is None and self.now - login.seen >= TOUCH:
            login.see(self.now)
        return refusal

    def access(self, token: Token) -> str | None:
        login = token.login
        if self.now >= min(token.issued + ACCESS, login.created + OVERALL) + LEEWAY:
            return "TokenExpired"
        if token.issued > self.now + LEEWAY:
            return "TokenNotYetValid"
        before = token.issued < self.not_before(login.client)
        if login.purged or self.void(login) or token.generation < login.person.generation or before:
            return "TokenRevoked"
        return None

    def refresh(self, token: Token) -> str | None:
        if self.unreadable(token):
            return "TokenInvalid"
        login = token.login
        refusal = self.refusal(login)
        if refusal:
            return refusal
        if token.number == login.rotations:
            login.rotations, login.rotated = token.number + 1, self.now
            login.see(self.now)
            return None
        graced = login.rotated is not None and self.now - login.rotated <= GRACE
        if token.number == login.rotations - 1 and graced:
            return None
        login.ended = True
        return "TokenReused"

    def confirm(self, login: Login, password: str) -> str | None:
        refusal = self.refusal(login)
        if refusal:
            return refusal
        if login.person.disabled or password != login.person.password:
            return "LoginFailed"
        return None

    def step_up(self, login: Login, password: str) -> str | None:
        refusal = self.confirm(login, password)
        if refusal is None:
            login.renewals += 1
            login.authenticated = self.now
            login.see(self.now)
        return refusal

    def change(self, login: Login, password: str, new: str) -> str | None:
        refusal = self.step_up(login, password)
        if refusal is None:
            login.person.password = new
            login.person.generation += 1
            login.generation = login.person.generation
        return refusal

    def purge(self) -> None:
        for login in self.logins.values():
            login.purged = login.purged or login.expires <= self.now

    def alive(self, subject: str) -> set[str]:
        return {
            sid for sid, login in self.logins.items() if login.person.subject == subject and self.refusal(login) is None
        }
