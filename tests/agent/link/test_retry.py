from __future__ import annotations

from agent.link.retry import V5, V311, Retry


def delays(retry, count, held_s=0.0, reason="refused"):
    now_s, found = 1000.0, []
    for _ in range(count):
        retry.ended(now_s, held_s, reason)
        found.append(retry.next_s - now_s)
        now_s = retry.next_s
    return found


def test_delays_grow_to_a_minute_with_jitter():
    found = delays(Retry("auto"), 12)
    assert 0.5 <= found[0] <= 1.0
    assert all(30.0 <= delay <= 60.0 for delay in found[7:])
    assert len(set(found[7:])) > 1


def test_a_stable_connection_is_renewed_at_once():
    retry = Retry("auto")
    delays(retry, 8)
    assert delays(retry, 1, held_s=100.0) == [0.0]


def test_a_version_that_is_refused_is_not_offered_again():
    retry = Retry("auto")
    assert retry.version == V5
    retry.refused(132)
    assert retry.version == V311
    assert delays(retry, 1) == [0.0]
    fixed = Retry("5")
    fixed.refused(132)
    fixed.hung_up()
    fixed.hung_up()
    assert fixed.version == V5


def test_a_mute_broker_is_tried_with_both_versions():
    retry, tried = Retry("auto"), []
    for _ in range(6):
        tried.append(retry.version)
        retry.hung_up()
    assert tried == [V5, V5, V311, V311, V5, V5]


def test_takeovers_are_named_and_slow_us_down():
    retry = Retry("auto")
    words = []
    for second in range(3):
        retry.useful()
        words.append(retry.ended(1000.0 + second, 1.0, "broker: Session taken over (142)"))
    assert "another client" in words[-1]
    assert retry.next_s - 1002.0 >= 30.0


def test_short_lives_without_a_reason_are_suspected():
    retry = Retry("auto")
    for second in range(5):
        retry.useful()
        word = retry.ended(1000.0 + second, 1.0, "Unspecified error")
    assert "another client with our id" in word
    assert retry.next_s - 1004.0 >= 2.5
