"""What befalls three real nodes while they work, in the order of a short story; limits and outcomes hold throughout.

Their wall clocks are hours apart all the time, and jump. `make faults` tells longer stories, by dice.
"""

from __future__ import annotations

import time

from tests.cluster.checks import SEEN_ONCE, unseen
from tests.cluster.cluster import BEAT, LONG_FREEZE, LOST_COMMITS, TTL
from tests.cluster.run import STEPS, Run, after_crash, after_loss, after_outage

SHORT_STORY = ("kill", "freeze", LONG_FREEZE, "skew", "limit", "cut", "clog", "delay", "crash", "promote", LOST_COMMITS)


def test_a_node_that_is_killed_and_one_that_is_stopped_are_followed_by_the_third(run: Run) -> None:
    one, two, _ = run.cluster.nodes
    one.skew(hours=1)
    one.kill()
    two.freeze()
    run.goes_on(after_crash())
    run.check()


def test_they_do_no_harm_when_they_are_back(run: Run) -> None:
    one, two, _ = run.cluster.nodes
    two.thaw()
    one.start()
    two.skew(hours=-2)
    run.goes_on(after_crash())
    run.check()


def test_a_lower_limit_and_a_higher_one_in_mid_run(run: Run) -> None:
    run.change(STEPS, 2)
    time.sleep(2 * BEAT)
    run.check()
    run.change(STEPS, 5)
    run.goes_on(after_outage())
    run.check()


def test_ways_to_the_database_that_are_cut_or_clogged_or_slow(run: Run) -> None:
    one, two, three = run.cluster.nodes
    one.cut()
    two.clog()
    three.delay(0.1)
    time.sleep(TTL + BEAT)
    for node in run.cluster.nodes:
        node.mend()
    run.goes_on(after_crash())
    run.check()


def test_a_database_that_crashes_and_comes_back(run: Run) -> None:
    run.cluster.crash()
    time.sleep(TTL / 2)
    run.cluster.server.start()
    run.goes_on(after_outage())
    run.check()


def test_a_replica_that_takes_over_without_the_last_grants(run: Run) -> None:
    run.cluster.replicate()
    run.cluster.fall_behind()
    before = run.limit(STEPS)
    run.change(STEPS, before + 3)
    run.goes_on(after_outage())  # with grants that the replica knows nothing of
    run.cluster.promote()
    run.forget(STEPS, before)
    run.goes_on(after_loss())
    run.check()


def test_every_item_ends_once(run: Run) -> None:
    run.finish()


def test_all_of_this_has_happened(run: Run) -> None:
    happened = run.cluster.happened
    assert unseen(dict.fromkeys(SHORT_STORY, SEEN_ONCE), happened) == []
    assert (happened["skew"], happened["limit"]) == (2, 3)
