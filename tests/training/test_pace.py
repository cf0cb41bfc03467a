"""What a schedule would take is measured so that neither other work nor the number of threads changes it."""

import threading
import time

import torch

from synthmed.training.pace import _clock

CPU = torch.device("cpu")


def burn(seconds):
    began = time.thread_time()
    while time.thread_time() - began < seconds:
        pass


def test_work_that_cannot_be_shared_counts_whole_whatever_the_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        began = _clock(CPU)
        burn(0.1)
        assert 0.1 <= _clock(CPU) - began < 0.15
    finally:
        torch.set_num_threads(before)


def test_waiting_and_what_other_threads_do_meanwhile_do_not_count():
    other = threading.Thread(target=burn, args=(0.1,))
    began = _clock(CPU)
    other.start()
    other.join()
    time.sleep(0.05)
    assert _clock(CPU) - began < 0.05
