"""The file beside the database that keeps the latest position of the revocation log."""

from pathlib import Path

import pytest

from keyturn.config.mark_file import MarkFile
from keyturn.core.log_mark import LogMark


class Clock:
    now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


@pytest.fixture
def mark_file(tmp_path: Path) -> MarkFile:
    return MarkFile(tmp_path, Clock())


def test_a_later_mark_is_never_replaced_by_an_earlier_one(mark_file: MarkFile, tmp_path: Path) -> None:
    for log, sequence in ((10, 5), (10, 4), (9, 9)):
        mark_file.save(LogMark(3, log, sequence, 7))
        assert mark_file.load(3) == LogMark(3, 10, 5, 7)
    mark_file.save(LogMark(3, 11, 1, 8))
    assert mark_file.load(3) == LogMark(3, 11, 1, 8)
    assert [each.name for each in tmp_path.iterdir()] == ["log-mark-3.json"]
    assert next(tmp_path.iterdir()).stat().st_mode & 0o777 == 0o600


def test_each_database_has_a_mark_of_its_own(mark_file: MarkFile) -> None:
    mark_file.save(LogMark(3, 10, 5, 7))
    mark_file.save(LogMark(4, 1, 1, 1))
    assert (mark_file.load(3), mark_file.load(4), mark_file.load(5)) == (
        LogMark(3, 10, 5, 7),
        LogMark(4, 1, 1, 1),
        None,
    )


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"database": 3}'])
def test_an_unreadable_mark_is_none(mark_file: MarkFile, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "log-mark-3.json").write_bytes(content)
    assert mark_file.load(3) is None


def test_a_mark_is_saved_at_most_every_fraction_of_a_second(tmp_path: Path) -> None:
    mark_file = MarkFile(tmp_path, lambda: 1.0)
    mark_file.save(LogMark(3, 10, 5, 7))
    mark_file.save(LogMark(3, 10, 6, 8))
    assert mark_file.load(3) == LogMark(3, 10, 5, 7)


@pytest.mark.parametrize("tag", [None, -1])
def test_a_position_without_a_known_entry_is_not_saved(mark_file: MarkFile, tag: int | None) -> None:
    mark_file.save(LogMark(3, 10, 5, tag))
    assert mark_file.load(3) is None


def test_a_missing_folder_is_reported_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    mark_file = MarkFile(tmp_path / "missing", Clock())
    for sequence in (1, 2):
        mark_file.save(LogMark(3, 10, sequence, 7))
    assert caplog.text.count("no mark of the revocation log can be kept") == 1
    (tmp_path / "missing").mkdir()
    mark_file.save(LogMark(3, 10, 3, 7))
    assert mark_file.load(3) == LogMark(3, 10, 3, 7)
