"""Workers forked from one process must not come back at the same moment."""

import os
import random

from keyturn import entropy


def _of_a_fork() -> float:
    theirs, ours = os.pipe()
    if os.fork() == 0:
        os.write(ours, str(entropy.jitter()).encode())
        os._exit(0)
    os.wait()
    os.close(ours)
    with os.fdopen(theirs) as told:
        return float(told.read())


def test_forked_processes_draw_different_jitter() -> None:
    state = random.getstate()
    drawn = {_of_a_fork(), _of_a_fork(), entropy.jitter()}
    assert len(drawn) == 3
    assert all(0 <= each < 1 for each in drawn)
    assert random.getstate() == state, "the program's own random numbers are left alone"
