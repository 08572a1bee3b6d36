import signal
import threading
import weakref

import pytest

from nca_zoo.ground.interrupts import finishing, heeded, noted


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits_for_the_end_of_the_block(number):
    done, heard = [], []
    before = signal.signal(number, lambda *_: heard.append(len(done)))
    try:
        with finishing():
            signal.raise_signal(number)
            signal.raise_signal(number)
            done.append("written")
            assert heard == []
        assert heard == [1]
        signal.raise_signal(number)
        assert heard == [1, 1]
    finally:
        signal.signal(number, before)


def test_ctrl_c_is_still_ctrl_c():
    done = []
    with pytest.raises(KeyboardInterrupt), finishing():
        signal.raise_signal(signal.SIGINT)
        done.append("written")
    assert done


def test_an_error_goes_first_and_handlers_come_back():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(ZeroDivisionError), finishing():
        1 / 0  # noqa: B018
    assert signal.getsignal(signal.SIGTERM) is before


def test_on_another_thread_it_does_nothing():
    done = []

    def work() -> None:
        with finishing():
            done.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done


def test_the_first_signal_is_noted_and_the_second_interrupts():
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with noted() as came:
        assert not came()
        signal.raise_signal(signal.SIGTERM)
        assert came()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_on_another_thread_no_signal_ever_comes():
    heard = []

    def work():
        with noted() as came:
            heard.append(came())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert heard == [False]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_python_drops_is_raised_when_asked_for(number):
    before = signal.getsignal(number)
    asked = []
    with pytest.raises(KeyboardInterrupt), heeded() as heed:
        heed()
        kept = set()
        watched = weakref.ref(kept, lambda _: signal.raise_signal(number))
        del kept  # the callback raises, and Python drops it
        asked.append(watched())
        heed()
    assert asked == [None]
    assert signal.getsignal(number) is before


def test_any_other_signal_is_raised_at_once():
    with pytest.raises(KeyboardInterrupt), heeded():
        signal.raise_signal(signal.SIGTERM)
        pytest.fail("worked on")
