"""Poller leases: who may work on a source, and the proof that no more work is open than its limit allows.

What is promised
----------------

For every polled source with the limit M (`maxconcurrency`), over all nodes that share one database:

* I1, the limit. Never are more than M requests that originate from the source open towards components and within their
  deadline: also while nodes crash, pause, lose the database or each other, have clocks that are hours apart, or lose
  their database's last commits; and while M is changed (a lower M is known to every node within a second; then nothing
  is admitted until the number in flight has sunk below it).
* I3, progress. Capacity that nobody uses is put to work again: at once after a clean stop; within a ttl and some beats
  after the crash of an idle node; within the remaining time of its open requests if it was not idle; within some beats
  after an outage in which no node died.

* I4, fairness. A source has ceil(M / width) pollers; of N nodes each has its share of all pollers to within one. Who
  has too much drains, nothing is cut; a node that cannot work a source leaves its share to others.

(I2, that nothing received is lost, is the sources' promise.)

The words
---------

A *session* is one life of a process in the eyes of the database: a row with a random id and a `beat`, a counter. A
*lease* is a row with a `capacity` of one source for one session. `busy_ms` is its promise: no request admitted under it
is open later than so many ms after the write that set it (the *horizon*). A lease row counts until it is deleted; that
is the whole limit. The *era* names one history of the database.

Where it lives: `tables` the rows; `statements` what is asked of the database, in the words of `postgres_sql` and
`sqlite_steps`; `term`, `trust` and `watch` the pure rules of holders and observers; `session`, `writer`, `observer`
when they are applied; `keeper` and `lease` what the rest of the node sees; `clock` how durations are measured;
`share`, `portion` and `fitness` the pure rules of fairness, `fairness` where they are applied; `role` named roles.

Why the limit holds
-------------------

Let the requests of a source be open at one instant. Each was admitted under a lease row, in flight no more than the
row's capacity (O1), at a time when the database had said within the last second that all capacities add up to no more
than M (O2). So it is enough that capacities never add up to more than M but by a change of M (O3), that a row is not
deleted or cut while requests are open under it, nor moved without them (O4, O5, O6), and that what a holder believes of
its row is what the row says (O7, O8, O9). Waits are durations, each counted from the safe side on a clock that nobody
can set (O10). What a database lost with its last commits is waited for as if it were there (O11, O16, O17). Work that
is answered later has a row of its own, which nobody's end takes away (O18).

The obligations, and what shows each
------------------------------------

O1   In flight never exceed the row's capacity, and every promise written covers all that is in flight, whatever becomes
     of the statements.
     tests/unit/leases/test_term_machine.py::TestHolderAndRow
O2   Nothing is admitted but by the database's word of the last second, which includes the sum of all capacities; while
     that is above M everything waits.
     tests/unit/leases/test_term.py::test_a_confirmed_lease_goes_for_a_second
     tests/contract/leases/test_asks.py::test_capacities_above_a_lowered_limit_do_not_fit
     tests/unit/leases/test_keeper.py::test_a_lower_limit_cuts_to_what_is_in_use_and_admits_nothing_until_it_fits
O3   A grant counts all rows, no older than the lock of the source's row: concurrent grants never give out more than M.
     tests/contract/leases/test_grants.py::test_clients_at_the_same_time_never_get_more_than_the_limit
     tests/contract/leases/test_grants.py::test_without_comparing_epochs_the_same_clients_get_more
     tests/contract/leases/test_grants.py::test_processes_that_grant_ask_and_release_never_exceed_the_limit
O4   A holder releases or cuts a row only below what it has in use, and obeys from the sending on.
     tests/unit/leases/test_term.py::test_a_lower_limit_cuts_to_what_is_in_use
     tests/unit/leases/test_term.py::test_a_shorter_horizon_is_obeyed_from_the_sending_a_longer_one_from_the_answer
O5   Others delete a row only when its session is dead and it has stood still for all that it promises, seen by the
     observer itself.
     tests/unit/leases/test_watch.py::test_a_lease_is_over_when_its_row_stood_still_for_what_it_promises
     tests/contract/leases/test_rows.py::test_rows_of_the_living_are_never_waited_out
     tests/contract/leases/test_rows.py::test_a_row_that_has_changed_since_it_was_seen_is_not_waited_out
O6   A process that was taken for dead takes its rows over with a promise for all that it still has open, or not at all.
     tests/contract/leases/test_rows.py::test_an_adoption_moves_what_is_left_and_outlives_a_wait_that_had_begun
     tests/unit/leases/test_keeper.py::test_a_node_that_was_cut_off_is_buried_and_takes_its_rows_over_when_it_is_back
O7   A statement of a session takes effect at most once, in the order of the sending, and never after a later one.
     tests/contract/leases/test_sessions.py::test_a_statement_that_comes_twice_takes_effect_once
     tests/contract/leases/test_sessions.py::test_a_statement_that_a_later_one_has_overtaken_is_void
O8   Statements of a dead session, or of an older era, are void: nothing of the dead is extended.
     tests/contract/leases/test_sessions.py::test_statements_of_a_dead_session_are_void
     tests/contract/leases/test_sessions.py::test_statements_of_an_older_era_are_void
O9   After a statement whose outcome is unknown nothing new is believed until the own rows were read again.
     tests/unit/leases/test_term.py::test_after_an_unknown_outcome_nothing_goes_until_it_is_confirmed_again
     tests/unit/leases/test_simulation.py::test_the_simulation_notices
O10  No wall clock decides anything; durations are counted by holders from before a statement was sent, by observers
     from after its answer came, on a clock that is neither stepped nor slewed and counts sleep.
     tests/unit/leases/test_term.py::test_trust_counts_from_the_sending_and_ends_before_the_ttl
     tests/unit/leases/test_clock.py::test_it_never_goes_back_and_follows_the_raw_clock
     tests/unit/leases/test_lease.py::test_time_that_the_machine_slept_ends_trust
O11  A database that is another server, or lacks the own session, begins a new era: all sessions are over, and every
     source is blocked until what may be missing is over.
     tests/contract/leases/test_sessions.py::test_a_new_era_ends_all_sessions_and_blocks_every_source_for_what_may_be_lost
     tests/contract/leases/test_sessions.py::test_a_promoted_replica_begins_a_new_era
     tests/unit/leases/test_keeper.py::test_another_server_is_not_trusted_before_what_it_may_lack_is_over
     tests/unit/leases/test_keeper.py::test_a_session_that_is_gone_means_lost_commits
O12  A database that confirms commits which a crash would lose is refused.
     tests/contract/leases/test_sessions.py::test_commits_that_a_crash_would_lose_are_refused
O13  Progress after stop, crash and outage within the bounds of I3; one who could not read, or whose own beats did not
     get through, buries nobody.
     tests/unit/leases/test_keeper.py::test_after_a_clean_stop_others_wait_for_nothing
     tests/unit/leases/test_keeper.py::test_an_idle_node_that_crashed_is_followed_within_a_ttl_and_a_tick
     tests/unit/leases/test_keeper.py::test_what_a_crashed_node_had_open_is_waited_for
     tests/unit/leases/test_keeper.py::test_after_an_outage_in_which_no_node_died_all_goes_on_within_a_few_ticks
     tests/unit/leases/test_keeper.py::test_a_database_that_only_reads_buries_nobody
     tests/contract/leases/test_keeper.py::test_a_frozen_server_ends_trust_and_buries_nobody
O14  A lower M is reached: holders who all have work waiting do not wait for each other.
     tests/unit/leases/test_keeper.py::test_holders_who_all_have_work_waiting_do_not_wait_for_each_other
O15  All of it together, under random faults.
     tests/unit/leases/test_simulation.py::test_no_limit_is_exceeded_and_no_capacity_lost_under_all_faults
O16  A database that was put back to an earlier state under its old identity begins a new era as soon as a process looks
     at it that saw more, in this life or, by its state directory, in a former one; else somebody says so by command.
     tests/unit/leases/test_history.py::test_a_shorter_log_of_the_same_server_contradicts
     tests/unit/leases/test_history.py::test_an_era_that_was_over_does_not_come_back
     tests/contract/leases/test_restore.py::test_a_node_that_starts_notices_an_older_copy
     tests/contract/leases/test_restore.py::test_an_era_by_command_ends_all_sessions_and_says_how_long_it_waits
O17  A deadline is used only when the commit that allows it is older than any that can be lost, so that a new era, which
     waits for the longest deadline that it knows of, waits long enough; also for sources that it does not know.
     tests/unit/leases/test_watch.py::test_a_raised_deadline_is_used_when_it_cannot_be_lost_any_more
     tests/contract/leases/test_tasks.py::test_a_deadline_is_settled_unless_it_was_raised_again
     tests/contract/leases/test_sessions.py::test_sources_that_nobody_knew_are_blocked_for_what_a_new_one_may_use
O18  A task that is answered later takes a unit of its lease's capacity with it, from the sending of the statement on;
     its row counts until it is answered or its time is up, whatever becomes of its node, and is written again where it
     was lost with a commit. Units have numbers, and a lease remembers the last one that it gave: told again after an
     unknown outcome it gives nothing, also when the row that the unit went to is gone by then.
     tests/contract/leases/test_tasks.py::test_one_unit_of_capacity_goes_to_the_task
     tests/contract/leases/test_tasks.py::test_a_unit_that_was_given_is_not_given_again_when_its_row_is_gone
     tests/unit/leases/test_later.py::test_a_unit_is_given_once_also_where_its_row_is_gone_before_that_is_known
     tests/contract/leases/test_tasks.py::test_rows_of_tasks_are_nobodys_and_outlive_all_sessions
     tests/unit/leases/test_later.py::test_what_is_given_counts_as_given_until_it_is_known
     tests/unit/leases/test_later.py::test_its_row_is_lost_with_a_commit_and_written_again_by_its_node
     tests/unit/leases/test_later.py::test_what_was_answered_elsewhere_is_not_written_again

O19  Shares are a function of what all nodes see: all of a limit is dealt, evenly, to those who are fit, and whoever
     joins or leaves moves little more than its own part. They only make holders ask for less or drain: no share lets
     anybody have what O1 to O9 do not give.
     tests/unit/leases/test_share.py::test_all_of_a_limit_is_dealt_in_pollers_of_its_width
     tests/unit/leases/test_share.py::test_where_all_are_fit_nodes_have_the_same_to_within_one_poller
     tests/unit/leases/test_share.py::test_who_is_unfit_has_nothing_unless_all_are
     tests/unit/leases/test_share.py::test_a_node_that_joins_or_leaves_moves_little_more_than_its_part
     tests/unit/leases/test_rebalance.py::test_joins_and_leaves_even_out_within_a_few_beats
     tests/unit/leases/test_rebalance.py::test_who_has_too_much_takes_no_slot_until_it_is_below_its_share_and_cuts_nothing
     tests/unit/leases/test_rebalance.py::test_another_limit_is_shared_anew_and_kept_meanwhile
O20  Progress does not depend on shares: what stays free is taken by whoever can use it, and given back to one who lacks
     its share and says so.
     tests/unit/leases/test_rebalance.py::test_capacity_that_nobody_takes_is_used_until_somebody_wants_it
     tests/unit/leases/test_rebalance.py::test_where_all_are_unfit_all_go_on
     tests/unit/leases/test_rebalance.py::test_who_cannot_work_a_source_leaves_it_to_others_and_tries_again_later
     tests/unit/leases/test_rebalance.py::test_whatever_joins_leaves_fails_and_changes_it_ends_fair_and_full
O21  A role has one holder at a time: it is a lease of M = 1, held while its row is and the session is trusted.
     tests/unit/leases/test_role.py::test_one_of_all_nodes_holds_a_role_and_another_one_after_it
     tests/unit/leases/test_role.py::test_a_holder_that_is_cut_off_knows_before_another_one_holds_the_role

What holds only in part, or not yet
-----------------------------------

* A share that is covered by open polls moves when these return: they are never cut, and may be open for a minute.
* An older copy, put back under the same identity, is not noticed while all who saw more of it are cut off or gone
  (`maelstromd new-era`). On SQLite grants that it lacks are noticed, longer promises of rows that it has are not.
* A task whose node dies between the component's 202 and the commit of its row counts up to the request's deadline only.
  So does one whose row was lost with a commit while its node is not there to write it again.

Outside its reach: a component that goes on after its deadline or its caller is gone; a process stopped in the moment
between the last look at the clock and the sending, beyond the second that is spared for it; a machine paused unseen by
its clock, or cloned; two servers that accept writes at once; on SQLite, a process stopped inside a transaction, which
stops the others.
"""
