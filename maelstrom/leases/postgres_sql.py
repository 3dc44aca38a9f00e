"""The statements in PostgreSQL's words: each is one statement and one round trip, also through a pooler.

READ COMMITTED. Lock order: own session, sources, leases. Only one session's row is ever waited for; a source or a lease
that somebody has locked is skipped, so that no slow transaction holds up a beat.
"""

from __future__ import annotations

from maelstrom.leases.statements import ALL_CAPACITY, NEW_SOURCES
from maelstrom.registry.tables import ROLE

# The server's identity: a copy has the same, but a promoted one goes on in another timeline. An ordinary role may ask.
SERVER = (
    "(select system_identifier::text from pg_control_system()) || '/' || left(pg_walfile_name(pg_current_wal_lsn()), 8)"
)
FLUSHED = "(pg_current_wal_flush_lsn() - '0/0'::pg_lsn)::bigint"
NOW = "extract(epoch from clock_timestamp())::float8"
LIVE = "exists (select from sessions s, era e where e.id = 1 and s.id = l.session and s.alive and s.era = e.val)"

# A second copy of a statement waits for the first one's row lock, is checked again on the new row and finds nothing.
GUARD = f"""
with me as (
  update sessions s set beat = s.beat + 1, leaving = s.leaving or :leaving, alive = not :ending
  from era e
  where s.id = cast(:session as uuid) and s.beat = :beat and s.alive and s.era = cast(:era as uuid)
    and e.id = 1 and e.val = cast(:era as uuid) and e.server = {SERVER}
    and current_setting('synchronous_commit') <> 'off'
  returning s.id, s.beat)
"""

# What others are to know at once, lest they wait for their next look, goes to them by notice.
SAID = "unfit = coalesce(cast(:unfit as text), s.unfit), wanting = coalesce(cast(:wanting as text), s.wanting)"
BEAT = f"""{GUARD.replace(" set ", f" set {SAID}, ")}, w as (
  select * from unnest(cast(:leases as uuid[]), cast(:sources as bigint[]), cast(:flights as bigint[]),
    cast(:peaks as bigint[])) t(lease, source, n, peak)),
noted as (
  update leases l set in_flight = w.n from w, me where l.id = w.lease and l.session = me.id),
rise as (
  select w.source, w.peak + coalesce((select sum(l.in_flight) from leases l
    where l.source = w.source and l.id <> w.lease), 0)::bigint n from w),
got as materialized (
  select s.id, r.n from event_sources s join rise r on r.source = s.id where s.max_inflight < r.n
    and exists (select from me) order by s.id for no key update of s skip locked),
up as (
  update event_sources s set max_inflight = greatest(s.max_inflight, g.n) from got g where s.id = g.id)
select (select array_agg(r.source) from rise r join event_sources s on s.id = r.source
  where s.max_inflight < r.n and r.source not in (select g.id from got g)) missed,
  (select count(pg_notify('leases', '')) from me where :leaving or cast(:unfit as text) is not null) told from me
"""

# The lock gives the newest row, the sum is of the statement's older snapshot; after a grant in between the epochs
# differ and nothing is added. Whatever else adds capacity must raise the epoch too.
GRANT = f"""{GUARD}, want as (
  select * from unnest(cast(:sources as bigint[]), cast(:wanted as bigint[]), cast(:leases as uuid[]))
    t(source, n, lease)),
got as materialized (
  select s.id, s.m, s.epoch from event_sources s where s.id in (select source from want) and not s.removed
    and exists (select from me) order by s.id for no key update skip locked),
fit as (
  select g.id, w.lease, least(w.n, coalesce(g.m, 0) - coalesce((select sum(l.capacity) from leases l
    where l.source = g.id or (l.source = {NEW_SOURCES} and g.epoch = 0)), 0))::bigint n
  from got g join want w on w.source = g.id join event_sources seen on seen.id = g.id and seen.epoch = g.epoch),
up as (
  update event_sources s set epoch = s.epoch + 1 from fit where s.id = fit.id and fit.n > 0
  returning s.id, s.epoch),
ins as (
  insert into leases (id, source, session, capacity, epoch, granted_at)
  select f.lease, f.id, me.id, f.n, up.epoch, {NOW} from me, fit f join up on up.id = f.id
  on conflict (id) do update set capacity = leases.capacity + excluded.capacity
    where leases.session = excluded.session
  returning id, source, capacity, epoch)
select ins.id, ins.source, ins.capacity, ins.epoch from me left join ins on true
"""

# The sum counts own rows as they will be: the update of the same statement is not in its snapshot.
ASK = f"""{GUARD}, w as (
  select * from unnest(cast(:leases as uuid[]), cast(:busy as bigint[]), cast(:capacities as bigint[]),
    cast(:flights as bigint[])) t(lease, busy, c, n)),
up as (
  update leases l set busy_ms = coalesce(w.busy, l.busy_ms), busy_seq = l.busy_seq + (w.busy is not null)::int,
    capacity = least(l.capacity, coalesce(w.c, l.capacity)), in_flight = w.n
  from w, me where l.id = w.lease and l.session = me.id
  returning l.id, l.source, l.capacity, w.c is not null cut),
total as (
  select l.source, sum(least(l.capacity, coalesce(w.c, l.capacity))) n from leases l left join w on w.lease = l.id
  where l.source in (select source from up) group by l.source)
select up.id, up.capacity, coalesce(s.m, 0) m, total.n <= coalesce(s.m, 0) fits,
  (select count(pg_notify('leases', source::text)) from up where cut) told
from me left join (up join event_sources s on s.id = up.source join total on total.source = s.id) on true
"""

RELEASE = f"""{GUARD}, del as (
  delete from leases l using me where l.session = me.id and l.id = any(cast(:leases as uuid[])) returning l.source)
select me.beat, (select count(pg_notify('leases', source::text)) from del) told,
  (select count(pg_notify('leases', '')) from me where :ending) ended from me
"""

ADOPT = f"""{GUARD}, w as (
  select * from unnest(cast(:sources as bigint[]), cast(:busy as bigint[])) t(source, busy)),
up as (
  update leases l set session = me.id, busy_ms = coalesce((select w.busy from w where w.source = l.source), 0),
    busy_seq = l.busy_seq + 1
  from me where l.session = any(cast(:formers as uuid[])))
select me.beat from me
"""

# Whatever adds capacity raises the epoch: a task's row that is written again does.
DEFER = f"""{GUARD}, w as (
  select * from unnest(cast(:tasks as text[]), cast(:sources as bigint[]), cast(:leases as uuid[]),
    cast(:rows as uuid[]), cast(:busy as bigint[]), cast(:numbers as bigint[]))
    t(task, source, lease, id, busy, number)),
fresh as (
  select w.* from w where not exists (
    select from leases l, me where l.id = w.lease and l.session = me.id and l.given >= w.number)),
got as materialized (
  select s.id from event_sources s where s.id in (select source from w) and exists (select from me)
  order by s.id for no key update skip locked),
up as (
  update event_sources s set epoch = s.epoch + 1 from got where s.id = got.id returning s.id, s.epoch),
ins as (
  insert into leases (id, source, session, capacity, epoch, busy_ms, in_flight, granted_at, task)
  select w.id, w.source, null, 1, up.epoch, w.busy, 1, {NOW}, w.task from fresh w join up on up.id = w.source
  on conflict do nothing returning id),
gone as (
  select w.lease, count(ins.id) n, max(w.number) number
  from fresh w join up on up.id = w.source left join ins on ins.id = w.id group by w.lease),
cut as (
  update leases l set capacity = greatest(0, l.capacity - g.n), in_flight = greatest(0, l.in_flight - g.n),
    given = g.number
  from gone g, me where l.id = g.lease and l.session = me.id returning l.id, l.capacity)
select w.task, coalesce(cut.capacity, l.capacity) capacity
from me left join (w join up on up.id = w.source) on true
left join cut on cut.id = w.lease left join leases l on l.id = w.lease and l.session = me.id
"""
ANSWERED = """
with del as (delete from leases where task = any(cast(:tasks as text[])) returning task, source)
select task, pg_notify('leases', source::text) told from del
"""
TASKS = "select task from leases where task = any(cast(:tasks as text[]))"
PAUSE = """
update event_sources set pause_ms = :ms, pause_seq = pause_seq + 1 where id = :source
returning pg_notify('leases', id::text)
"""
RESTED = """
update event_sources s set pause_ms = w.rest, pause_seq = s.pause_seq + 1
from unnest(cast(:sources as bigint[]), cast(:seqs as bigint[]), cast(:rests as bigint[])) w(id, seq, rest)
where s.id = w.id and s.pause_seq = w.seq
"""
SETTLE = """
update event_sources s set settled_ms = w.high
from unnest(cast(:sources as bigint[]), cast(:highs as bigint[])) w(id, high) where s.id = w.id and s.high_ms = w.high
"""

# The condition on `over` makes its update come first: the name must be free by then.
OPEN = f"""
with over as (
  update sessions s set alive = false from era e
  where e.id = 1 and e.val = cast(:era as uuid) and s.alive and (s.state_dir = :state_dir or s.era <> e.val)
  returning s.id)
insert into sessions (id, node, state_dir, boot, version, era, ttl_ms, unfit, opened_at)
select cast(:id as uuid), :node, :state_dir, :boot, :version, e.val, :ttl_ms, '*', {NOW}
from era e where e.id = 1 and e.val = cast(:era as uuid) and e.server = {SERVER} and (select count(*) from over) >= 0
on conflict do nothing
returning id
"""

WAITED_OUT = f"""
with del as (
  delete from leases where id in (
    select l.id from leases l join unnest(cast(:leases as uuid[]), cast(:seqs as bigint[])) w(id, seq)
      on w.id = l.id and w.seq = l.busy_seq where not {LIVE} for update of l skip locked)
  returning source)
select count(*) gone, count(pg_notify('leases', source::text)) told from del
"""

WRITE_BACK = f"""
update leases l set busy_ms = w.rest, busy_seq = l.busy_seq + 1
from unnest(cast(:leases as uuid[]), cast(:seqs as bigint[]), cast(:rests as bigint[])) w(id, seq, rest)
where l.id = w.id and l.busy_seq = w.seq and not {LIVE}
"""

# Counted once for all sessions: a count for each makes the planner expect so much that it compiles the query.
VIEW_SESSIONS = f"""
with n as (select l.session, count(*) leases from leases l group by l.session)
select s.id, s.beat, s.ttl_ms, s.alive and s.era = e.val live, e.val era, {FLUSHED} flushed,
  coalesce(n.leases, 0) leases, s.node, s.leaving, s.unfit, s.wanting
from era e left join sessions s on true left join n on n.session = s.id where e.id = 1
"""
VIEW_ORPHANS = f"select l.id, l.busy_ms, l.busy_seq from leases l where not {LIVE}"
# Those that this node holds, and all others that pollers are dealt of.
VIEW_SOURCES = f"""
select s.id, coalesce(s.m, 0) m, s.enabled and not s.removed works, coalesce(sum(l.capacity), 0)::bigint total,
  coalesce(sum(l.capacity) filter (where l.epoch < h.epoch or l.task is not null), 0)::bigint ahead,
  s.high_ms, s.settled_ms, s.pause_ms, s.pause_seq,
  case when s.type = '{ROLE}' or s.m is null then 0 else greatest(1, coalesce(s.width, 1)) end width
from event_sources s left join unnest(cast(:sources as bigint[]), cast(:epochs as bigint[])) h(source, epoch)
  on h.source = s.id
left join leases l on l.source = s.id
where h.source is not null or (s.m is not null and s.enabled and not s.removed and s.type <> '{ROLE}')
group by s.id, h.source, h.epoch
"""

GROUND = f"""
select e.val, {SERVER} server, e.server = {SERVER} same, {FLUSHED} flushed,
  current_setting('synchronous_commit') <> 'off' durable,
  current_setting('transaction_read_only') = 'off' writable
from era e where e.id = 1
"""
NEXT_ERA = f"update era set val = cast(:val as uuid), server = {SERVER} where val = cast(:seen as uuid) returning val"
LOCK_SOURCES = "select id, high_ms from event_sources order by id for no key update"
NEXT_EPOCHS = "update event_sources set epoch = epoch + 1"
LONGEST_TTL = "select greatest(:ttl_ms, max(ttl_ms)) from sessions"
BLOCK_SOURCES = f"""
insert into leases (id, source, session, capacity, epoch, busy_ms, granted_at)
select gen_random_uuid(), b.source, null, {ALL_CAPACITY}, coalesce(s.epoch, 0), b.busy, {NOW}
from unnest(cast(:sources as bigint[]), cast(:busy as bigint[])) b(source, busy)
left join event_sources s on s.id = b.source
"""
END_SESSIONS = "update sessions set alive = false where alive"

BURY = """
update sessions set alive = false where id = cast(:session as uuid) and beat = :beat and alive returning id
"""
FORGET = """
delete from sessions s where s.id = any(cast(:sessions as uuid[])) and not s.alive
  and not exists (select from leases l where l.session = s.id)
"""
OWN = """
select s.beat, s.alive and s.era = e.val live, l.id, l.source, l.capacity, l.epoch
from era e join sessions s on s.id = cast(:session as uuid) left join leases l on l.session = s.id
where e.id = 1
"""

# A hidden source of no project: its limit is 1, and no request runs under it.
ROLE_ROW = f"""
with made as (
  insert into event_sources (project, name, full_name, type, definition, version, modified_at, m)
  values ('', cast(:name as text), '_' || cast(:name as text), '{ROLE}', '{{}}', 1, {NOW}, 1)
  on conflict do nothing returning id)
select id from made union all select id from event_sources where project = '' and name = cast(:name as text)
"""

SESSIONS = f"""
select s.id, s.node, s.state_dir, s.version, s.beat, s.ttl_ms, s.alive and s.era = e.val live, s.leaving,
  greatest(0, {NOW} - s.opened_at) age
from sessions s join era e on e.id = 1 order by s.node, s.opened_at
"""
AUDIT = f"""
select s.m, s.max_inflight, l.id, coalesce(o.node, '') node, l.capacity, l.in_flight, l.epoch,
  greatest(0, {NOW} - l.granted_at) age
from event_sources s left join leases l on l.source = s.id left join sessions o on o.id = l.session
where s.id = :source order by l.epoch
"""


IN_FLIGHT = """
select source, sum(in_flight)::bigint n from leases
where session is distinct from cast(:session as uuid) group by source
"""
