"""Password strength: a blocklist of common passwords, and an estimate of the guesses a password withstands.

NIST SP 800-63B-4 section 3.1.1.2 asks for a comparison with commonly used, expected and compromised passwords,
context-specific words included. Attackers also try variations, so the comparison ignores case, width, leet spelling
and separators, and recognises reversal, repetition, keyboard walks, counting, years and padding.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import pairwise

GUESSES_EXPONENT = 9
"""Guesses, as a power of ten, that a password must withstand.

10**9 is far beyond what throttling allows online, and takes days on one graphics card against argon2id. A random
password of eight characters passes.
"""

_WORD_COST = 3  # a few thousand entries: one in 10**3
_RUN_COST = 2
_REPEAT_COST = 1
_CONTEXT_COST = 1
_SHORTEST_WORD = 4
_SHORTEST_RUN = 4
_LONGEST_REPEAT = 32

_LEET = str.maketrans("0134578@$!+|l", "oieastbasitii")
_SHIFTED = str.maketrans("!@#$%^&*()", "1234567890")
_SEPARATORS = re.compile(r"[\W_]")
_YEAR = re.compile(r"(?:19|20)\d\d")
_ROWS = (
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890",
    "qwertyuiop[]",
    "asdfghjkl;'",
    "zxcvbnm,./",
    "qwertzuiop",
    "yxcvbnm",
    "azertyuiop",
    "qsdfghjklm",
    "wxcvbn",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9ol.0p;/",
    "1q2w3e4r5t6y7u8i9o0p",
    "абвгдежзийклмнопрстуфхцчшщъыьэюя",
    "йцукенгшщзхъ",
    "фывапролджэ",
    "ячсмитьбю",
)
_STEPS = frozenset(
    pair for row in _ROWS for first, second in pairwise(row) for pair in (first + second, second + first)
)


class Blocklist:
    """Common passwords and words.

    ``entries``: in any spelling. Entries of four letters or more are also recognised as part of a longer password.
    """

    __slots__ = ("_entries", "_longest")

    def __init__(self, entries: Iterable[str]) -> None:
        self._entries = frozenset(_letters(each) for each in entries) - {""}
        self._longest = max(map(len, self._entries), default=0)

    def __len__(self) -> int:
        return len(self._entries)

    def entries(self) -> frozenset[str]:
        """Return every entry, in the form used for comparison."""
        return self._entries

    def contains(self, password: str) -> bool:
        """Return True if ``password`` is an entry, apart from case, width, separators and leet spelling."""
        return _letters(password) in self._entries

    def is_guessable(self, password: str, context: Iterable[str] = ()) -> bool:
        """Return True if ``password`` consists of guessable pieces that 10**9 guesses would cover.

        ``context``: words an attacker knows about the account, such as its identifier and the service's names.
        """
        words = frozenset(_context_words(context))
        folded = _fold(password)
        letters = _SEPARATORS.sub("", folded)
        # Each distinct separator adds at most 2 to the cost; more repetitions add nothing.
        separators = _SEPARATORS.findall(folded)
        cost = min(
            self._cost(folded, words), self._cost(letters, words) + min(len(separators), 2 * len(set(separators)))
        )
        return cost < min(GUESSES_EXPONENT, len(password))

    def _cost(self, text: str, context: frozenset[str]) -> int:
        """Return the cost of the cheapest segmentation of ``text``: a power of ten of guesses, capped."""
        runs, letters = _Runs(text), text.translate(_LEET)
        reach = max(self._longest, _LONGEST_REPEAT, *map(len, context))
        best = [0]
        for end in range(1, len(text) + 1):
            # A piece is at most ``reach`` long. A start whose prefix already exceeds the limit cannot become cheaper.
            starts = [at for at in range(max(0, end - reach), end) if best[at] < GUESSES_EXPONENT]
            if not starts and best[-1] >= GUESSES_EXPONENT:
                return GUESSES_EXPONENT
            costs = [best[at] + self._word_cost(letters[at:end], context) for at in starts]
            costs += [best[at] + _RUN_COST for at in runs.starts(end)]
            costs += [best[at] + _REPEAT_COST for at in _repeats(text, end)]
            best.append(min(costs, default=GUESSES_EXPONENT))
        return best[-1]

    def _word_cost(self, word: str, context: frozenset[str]) -> int:
        if word in context:
            return _CONTEXT_COST
        is_listed = len(word) >= _SHORTEST_WORD and (word in self._entries or word[::-1] in self._entries)
        return _WORD_COST if is_listed else len(word)


class _Runs:
    """Runs in a text: keyboard walks, counting, and repeated characters."""

    def __init__(self, text: str) -> None:
        unshifted = text.translate(_SHIFTED)
        self._text = text
        self._run_starts = [0] * (len(text) + 1)
        for at in range(1, len(text)):
            pair = unshifted[at - 1 : at + 1]
            is_step = pair in _STEPS or pair[0] == pair[1]
            self._run_starts[at + 1] = self._run_starts[at] if is_step else at

    def starts(self, end: int) -> Iterator[int]:
        """Yield every start of a run that ends at ``end``; a year counts as a run."""
        yield from range(self._run_starts[end], end - _SHORTEST_RUN + 1)
        if _YEAR.fullmatch(self._text, max(0, end - 4), end):
            yield end - 4


def _repeats(text: str, end: int) -> Iterator[int]:
    """Yield every start of a piece that ends at ``end`` and repeats the text directly before it."""
    for size in range(1, min(_LONGEST_REPEAT, end // 2) + 1):
        if text[end - size : end] == text[end - 2 * size : end - size]:
            yield end - size


def _context_words(context: Iterable[str]) -> Iterator[str]:
    """Yield the words an attacker derives from identifiers and names: the whole and each part, also reversed."""
    for name in context:
        folded = _fold(name)
        for part in (folded, *folded.split("@"), *_SEPARATORS.split(folded)):
            letters = _SEPARATORS.sub("", part).translate(_LEET)
            if len(letters) >= _SHORTEST_WORD:
                yield from (letters, letters[::-1])


def _letters(text: str) -> str:
    """Return the form used for comparison: case-folded, without leet spelling and separators."""
    return _SEPARATORS.sub("", _fold(text).translate(_LEET))


def _fold(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold().replace(" ", "")
