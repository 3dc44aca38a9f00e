"""What befalls three real nodes while they work, in the order of a short story; limits and outcomes hold throughout."""

from __future__ import annotations

import time

from tests.cluster.cluster import TTL
from tests.cluster.run import STEPS, Run, after_crash, after_outage


def test_a_killed_node_is_followed_and_comes_back(run: Run) -> None:
    node = run.cluster.nodes[0]
    node.kill()
    run.goes_on(after_crash())
    node.start()
    run.check()


def test_a_node_that_was_stopped_for_longer_than_its_ttl_does_no_harm(run: Run) -> None:
    node = run.cluster.nodes[1]
    node.freeze()
    time.sleep(TTL + 2)
    node.thaw()
    run.goes_on(after_crash())
    run.check()


def test_nodes_without_their_database_take_nothing_new_and_go_on_afterwards(run: Run) -> None:
    for node in run.cluster.nodes:
        node.cut()
    time.sleep(TTL / 2)
    for node in run.cluster.nodes:
        node.mend()
    run.goes_on(after_outage())
    run.check()


def test_another_limit_in_mid_run(run: Run) -> None:
    run.change(STEPS, 2)
    time.sleep(2)
    run.check()
    run.change(STEPS, 6)
    run.goes_on(after_outage())
    run.check()


def test_every_item_ends_once(run: Run) -> None:
    run.finish()
