"""Progress as a user sees it, and Ctrl-C during a run."""

import io
import os
import signal

import numpy as np
import pytest
from rich.console import Console

from jaxgd.cli.interrupting import catching_interrupt, stopping_when
from jaxgd.training import History, Progress
from jaxgd.training.display import LiveDisplay, PlainDisplay, make_display


def report(epoch, epochs=100):
    history = History(
        {"loss": np.full(epoch, 0.5), "auc": np.full(epoch, 0.7), "val_loss": np.full(epoch, 0.25)}
    )
    return Progress(epoch, epochs, epoch * 10, epochs * 10, 1000.0, 61.0, history)


def console(terminal=False, **options):
    return Console(file=io.StringIO(), force_terminal=terminal, width=120, **options)


def test_plain_lines_are_few():
    screen = console()
    with make_display(screen) as display:
        assert isinstance(display, PlainDisplay)
        for epoch in range(101):
            display(report(epoch))
    lines = screen.file.getvalue().splitlines()
    assert len(lines) == 10
    assert lines[0] == "epoch 1/100  loss 0.5  val_loss 0.25  1,000 rows/s  1:01 left"


def test_a_quiet_console_shows_nothing():
    screen = console(terminal=True, quiet=True)
    with make_display(screen) as display:
        display(report(1))
    assert screen.file.getvalue() == ""


def test_a_terminal_gets_a_live_line_and_its_cursor_back():
    screen = console(terminal=True)
    with make_display(screen) as display:
        assert isinstance(display, LiveDisplay)
        display(report(3))
    shown = screen.file.getvalue()
    assert "epoch 3/100" in shown
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")  # shown again after it was hidden


def test_no_color_leaves_no_color():
    screen = console(terminal=True, no_color=True)
    with make_display(screen) as display:
        display(report(3))
    assert "\x1b[3" not in screen.file.getvalue().replace("\x1b[?", "")


def test_a_run_goes_on_until_it_is_told_to_stop():
    told = []
    progress = stopping_when(PlainDisplay(console()), lambda: bool(told))
    assert progress(report(1)) is True
    told.append(True)
    assert progress(report(2)) is False


def test_the_first_ctrl_c_asks_and_the_second_ends():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with catching_interrupt() as interrupt:
            assert not interrupt
            os.kill(os.getpid(), signal.SIGINT)
            assert interrupt
            with pytest.raises(KeyboardInterrupt):
                os.kill(os.getpid(), signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_process_that_ignores_ctrl_c_goes_on_ignoring_it():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with catching_interrupt() as interrupt:
            os.kill(os.getpid(), signal.SIGINT)
            assert not interrupt
    finally:
        signal.signal(signal.SIGINT, before)
