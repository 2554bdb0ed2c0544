/*
 * The protocol of the message ledger, small enough for Spin to try every order of events.
 *
 * One item, one message text that may be said twice (two times said), two ingest workers, a chat app, one forget
 * request, an audit that makes a worker look, and a transport that delays, repeats, reorders, merges and loses notices.
 * docs/model.md says what this proves and what it does not. Run it with tests/faults/test_protocol_model.py, which also
 * breaks one rule at a time: each #ifdef but CHANGES, MERGED, RESTAMPS, HORIZON and COARSE is such a rule.
 *
 * A position is the number of a change (1..CHANGES). Time is counted in positions too: a read at tick 3 saw the item as
 * change 3 left it. A change is a record of the stream, and its notice carries what the record tells.
 */
#ifndef CHANGES
#define CHANGES 4
#endif
#ifndef MERGED
#define MERGED 1 /* so many further notices may one batch merge into one */
#endif
/* RESTAMPS: the chat app may change the time said. HORIZON: notices come no more, and the horizon purges.
 * COARSE: time is known in whole seconds, which several changes and reads may share; else each change has its own. */

/* What the chat app does. */
mtype:change = {
  INSERT_WITH,    /* a new item that holds the message */
  INSERT_WITHOUT, /* a new item that does not */
  ADD,            /* the message is said in an item that is there */
  CAP,            /* capped or cleared: it leaves, and is to be kept */
  EDIT,           /* edited or removed: it leaves, and is to be forgotten */
  TOUCH,          /* the item changes, the message does not */
  RESTAMP,        /* only the time said changes */
  DELETE,         /* the item is deleted: forget all of it */
  EXPIRE          /* the item expires (TTL): what it held is kept */
};

/* States of a row of the message ledger. */
#define NONE 0
#define LIVE 1
#define KEPT 2
#define UNEXPLAINED 3
#define ERASED 4

/* ---- the truth: what the chat app did ---- */
byte changes;               /* how many so far */
byte times;                 /* times said that were used: 0, 1, 2 */
mtype:change kind[CHANGES + 1]; /* what the change was */
byte copy[CHANGES + 1];     /* time said of the copy in the item after the change: 1, 2, or 0 for no copy */
bool there[CHANGES + 1];    /* the item exists after the change */
byte last_add[CHANGES + 1]; /* position at which the text was last added */
byte deleted[CHANGES + 1], inserted[CHANGES + 1]; /* positions of the last DELETE and INSERT */
byte read_add;              /* the newest addition of which a committed read saw the message */
bool remembered[CHANGES + 1]; /* whether the rules of change want the text found after the change */
byte ended;                 /* changes whose second has ended: what AWS's clock, in seconds, can tell apart */

/* ---- the forget request ---- */
bool asked, marked;
byte T; /* covered is what was saved at a position <= T */

/* ---- the transport ---- */
bool done[CHANGES + 1]; /* applied or skipped at least once */
byte dead;              /* notices up to here can come no more; what is dead and not done was lost */

/* ---- the ledger ---- */
byte position;         /* highest position reflected */
byte read_tick;        /* content of the last committed read: 0 before the first */
byte read_second;      /* the changes whose second had ended when it began */
byte absent_tick;      /* the last committed read that found no item */
byte there_seen;       /* the last read that saw the item: nothing up to here can explain its absence */
byte inserts, expiries; /* bit p: an INSERT, an expiry is known at p */
byte seen;             /* nothing up to here can explain why the text is gone */
byte seen_position;    /* only for a broken variant: the position known when it was seen */
byte added;            /* newest known addition of the text */
byte state[3];         /* of the row with time said 1, 2 */
byte by[3];            /* what settled a kept row */
byte saved[3];         /* saved_at; 0 is unknown */
byte met[3];           /* when the ledger first read it */
byte met_so[3];        /* when the ledger first read it with this time said */
byte lacked[3];        /* a read this late lacked the message, so that it was saved later */
byte saw[3];           /* for the promises: the last committed read that saw the row in the item */
byte row_seen[3];      /* like `seen`, of this row alone */
byte since[3];         /* when it became unexplained: the horizon counts from here */

/* ---- the workers ----
 * A worker reads the ledger with its revision and epoch, then the item, then commits. Two things save states and change
 * nothing. Between its reads and its commit it depends on nothing but what it read of the item, so its two reads are one
 * step, and the notices it holds are named at the commit, among those that were there when it read. And a commit that
 * finds another revision or epoch is refused, so the worker is sent back as soon as either moves. */
byte tick[2];   /* what it read of the item; 0 while it holds nothing */
byte second[2]; /* `ended` when the read began */
#ifdef NO_EPOCH
bool epoch[2];  /* it read the marker */
#define KNOWS_MARKER(w) epoch[w]
#else
#define KNOWS_MARKER(w) marked
#endif

byte batch; /* of the worker whose turn it is; bit p: the notice of change p; none: a look of the audit */

/* Working storage of one step: no part of a state. */
hidden byte came, went, i, m, c, o, at, known, newest, was, lacking;
hidden byte changed, shown, visible, any, expired_between, rule, unexplained, lossless, must, knows;
hidden byte old_state[3], old_by[3], old_saved[3], old_added, old_seen, open_notices;

/* A removal at p explains why the text is gone. */
#ifdef OLD_NOTICE_DECIDES
#define DECIDES(p) ((p) > 0)
#else
#ifdef ADDITION_REOPENS_NOTHING
#define DECIDES(p) ((p) > seen)
#else
#ifdef FORGETS_IN_DOUBT /* what forgets decides by position alone, whatever the clocks say */
#define DECIDES(p) ((p) > (KEEPS(p) -> seen : seen_position) && (p) > added)
#else
#define DECIDES(p) ((p) > seen && (p) > added)
#endif
#endif
#endif

#ifdef SEEN_OF_THE_ROW
#define REOPENED(r) (added > by[r])
#else
#define REOPENED(r) (!DECIDES(by[r]))
#endif

#define MAX(a, b) ((a) > (b) -> (a) : (b))
#define HAS(set, p) (((set) >> (p)) & 1)
#define ADDS(p) (copy[(p) - 1] == 0 && copy[p] != 0)
#define TAKES(p) ((copy[(p) - 1] != 0 && copy[p] == 0) || kind[p] == DELETE)
#define INSERTS(p) (kind[p] == INSERT_WITH || kind[p] == INSERT_WITHOUT)
#define KEEPS(p) (kind[p] == CAP || kind[p] == EXPIRE)

mtype = {
  visible_only_in_the_last_read_or_by_evidence,
  nothing_covered_is_visible,
  one_missing_notice_shows_nothing_forgotten,
  a_seen_absence_shows_nothing_deleted,
  positions_and_content_never_go_back,
  looking_keeps_and_purges_nothing,
  twice_is_once,
  nothing_lost_all_kept_is_visible,
  nothing_lost_nothing_more_is_visible,
  nothing_lost_nothing_is_unexplained,
  nothing_lost_all_live_is_visible,
  all_that_was_read_is_visible
}

inline promise(holds, name) {
  if
  :: !(holds) -> printf("BROKEN: %e\n", name); assert(false)
  :: else
  fi
}

/* The marker covers a row: saved up to T; without a saved_at, met up to T. */
#ifdef CLIENT_CLOCK
bool clock_ahead; /* the client's clock says that everything was said after T, or else nothing */
#define COVERED(r) (knows && !clock_ahead && (saved[r] != 0 -> saved[r] <= T : met[r] <= T))
#define DOUBTFUL(r) false
#else
#define COVERED(r) (knows && (saved[r] != 0 -> saved[r] <= T : (lacked[r] < T && met[r] <= T)))
#define DOUBTFUL(r) (marked && saved[r] == 0 && lacked[r] < T)
#endif

inline drop(r) {
  state[r] = NONE; by[r] = 0; saved[r] = 0; met[r] = 0; met_so[r] = 0; lacked[r] = 0; saw[r] = 0; row_seen[r] = 0; since[r] = 0
}

inline erase_covered() {
  for (m : 1 .. 2) {
    if
    :: state[m] != NONE && state[m] != ERASED && COVERED(m) ->
       was = met_so[m]; drop(m); met_so[m] = was; state[m] = ERASED
    :: else
    fi
  }
}

inline send_back(w) {
  tick[w] = 0; second[w] = 0
}

/* The workers are alike: the second holds what is not newer, which halves the states. */
inline in_order() {
  if
  :: tick[0] < tick[1] || (tick[0] == tick[1] && second[0] < second[1]) ->
     was = tick[0]; tick[0] = tick[1]; tick[1] = was;
     was = second[0]; second[0] = second[1]; second[1] = was;
#ifdef NO_EPOCH
     was = epoch[0]; epoch[0] = epoch[1]; epoch[1] = was
#endif
  :: else
  fi
}

inline revision_moves() {
#ifdef NO_REVISION
  skip
#else
  send_back(0); send_back(1)
#endif
}

/* Facts that can change nothing any more go: fewer states. */
inline tidy() {
  for (m : 1 .. 2) {
    if :: state[m] != UNEXPLAINED && state[m] != LIVE -> row_seen[m] = 0 :: else fi;
    if :: state[m] == ERASED || saved[m] != 0 -> met[m] = 0; lacked[m] = 0 :: else fi
  }
  if
  :: state[1] != LIVE && state[1] != KEPT && state[1] != UNEXPLAINED &&
     state[2] != LIVE && state[2] != KEPT && state[2] != UNEXPLAINED ->
     seen = 0; seen_position = 0; there_seen = 0; inserts = 0; expiries = 0;
     if :: state[1] == NONE && state[2] == NONE -> added = 0; absent_tick = 0 :: else fi
  :: else
  fi
}

/* A kept row shows: what happened to its item since is known to have kept it. Sets `rule`. */
inline item_rule(r) {
  rule = true; expired_between = false; newest = 0;
  for (i : 1 .. CHANGES) {
    if
    :: i >= by[r] && HAS(expiries, i) -> expired_between = true; newest = i
    :: i > by[r] && HAS(inserts, i) -> rule = rule && expired_between; expired_between = false
    :: else
    fi;
    if
#ifndef ABSENCE_SAYS_NOTHING
    :: i == absent_tick && i >= by[r] -> rule = rule && expired_between
#endif
    :: else
    fi
  }
#ifdef REINSERT_SHOWS
  rule = true;
#endif
  if
  :: !there[read_tick] -> rule = rule && expired_between && newest > there_seen
  :: else
  fi
}

/* Sets `shown`: a search finds row r. */
inline shows(r) {
  rule = false;
  if
  :: state[r] == KEPT -> item_rule(r)
  :: else
  fi;
  shown = (state[r] == LIVE || rule) && !DOUBTFUL(r);
#ifdef UNEXPLAINED_SHOWN
  shown = shown || state[r] == UNEXPLAINED;
#endif
}

/* Once nothing more is on its way, and after every commit, skip and purge. */
inline look_around() {
  visible = false; unexplained = false; open_notices = 0;
  for (i : 1 .. CHANGES) {
    if
    :: i <= read_tick && !done[i] -> open_notices++
    :: else
    fi
  }
  for (m : 1 .. 2) {
    shows(m);
    visible = visible || shown;
    unexplained = unexplained || state[m] == UNEXPLAINED;
    promise(!shown || copy[read_tick] != 0 || (by[m] > 0 && KEEPS(by[m]) && by[m] > seen && by[m] > added),
            visible_only_in_the_last_read_or_by_evidence)
  }
  promise(!(visible && !remembered[read_tick]) || open_notices >= 2, one_missing_notice_shows_nothing_forgotten);
  promise(!(visible && !remembered[read_tick]) || deleted[read_tick] == 0 || expiries != 0 ||
          absent_tick < deleted[read_tick] || inserted[absent_tick] > deleted[read_tick],
          a_seen_absence_shows_nothing_deleted);
  promise(copy[read_tick] == 0 || marked || visible, all_that_was_read_is_visible);
  /* Once nothing more is on its way. */
  lossless = read_tick == changes && asked == marked;
  for (i : 1 .. CHANGES) {
    if
    :: i <= changes && !done[i] -> lossless = false
    :: else
    fi
  }
}

inline reconcile(w) {
  known = position; at = tick[w]; went = 0; came = 0;
  for (i : 1 .. CHANGES) {
    if
    :: HAS(batch, i) -> known = MAX(known, i)
    :: else
    fi
  }
  erase_covered();
  /* 1. What the notices tell; merged, they tell the newest addition and the newest removal. */
  for (i : 1 .. CHANGES) {
    if
    :: HAS(batch, i) ->
       done[i] = true;
       if :: INSERTS(i) -> inserts = inserts | (1 << i) :: else fi;
       if :: kind[i] == EXPIRE -> expiries = expiries | (1 << i) :: else fi;
       if :: TAKES(i) -> went = MAX(went, i) :: else fi;
       if :: ADDS(i) -> added = MAX(added, i); came = i :: else fi
    :: else
    fi
  }
  /* 2. The item as it was read. */
  c = copy[at]; o = 3 - c;
  lacking = (copy[read_tick] == 0 -> read_second : 0);
  for (m : 1 .. 2) {
    if :: state[m] == LIVE && m != c -> state[m] = UNEXPLAINED; since[m] = at :: else fi
  }
  if
  :: c == 0
  :: c != 0 && state[c] == ERASED
  :: c != 0 && state[c] != NONE && state[c] != ERASED -> state[c] = LIVE; by[c] = 0; since[c] = 0
  :: c != 0 && state[c] == NONE ->
     if
     :: state[o] == UNEXPLAINED -> /* the same message, in order; its time said changed */
        state[c] = LIVE; saved[c] = saved[o]; met[c] = met[o]; met_so[c] = at; lacked[c] = lacked[o]; drop(o)
     :: state[o] == ERASED && added <= T && lacking < T
     :: else -> /* new */
        state[c] = LIVE; met[c] = at; met_so[c] = at; lacked[c] = lacking;
        saved[c] = (added > lacking -> added : 0)
     fi
  fi;
#ifdef FORGETS_IN_DOUBT
  if :: c != 0 -> seen_position = MAX(seen_position, known) :: else fi;
#endif
  if :: c != 0 -> seen = MAX(seen, MAX(known, second[w])) :: else fi;
  if :: there[at] -> there_seen = MAX(there_seen, MAX(known, second[w])) :: else fi;
  /* 3. What explains the rows that are not in the item. */
  for (m : 1 .. 2) {
    if
    :: state[m] != UNEXPLAINED && state[m] != KEPT
    :: else ->
       if
       :: c == 0 && went > by[m] && DECIDES(went) && KEEPS(went) -> state[m] = KEPT; by[m] = went; since[m] = 0
       :: c == 0 && went > by[m] && DECIDES(went) && !KEEPS(went) -> drop(m)
       :: c != 0 && went > by[m] && !KEEPS(went) && state[m] == KEPT -> drop(m)
       :: c != 0 && went > by[m] && state[m] == UNEXPLAINED && went > row_seen[m] -> /* another copy is in the item */
          if :: KEEPS(went) -> state[m] = KEPT; by[m] = went; since[m] = 0 :: else -> drop(m) fi
       :: c == 0 && !DECIDES(went) && state[m] == KEPT && REOPENED(m) -> /* it came again, and left */
          state[m] = UNEXPLAINED; since[m] = at
#ifdef LOOK_DELETES
       :: c == 0 && batch == 0 && state[m] == UNEXPLAINED -> drop(m)
#endif
       :: else
       fi
    fi
  }
  /* 4. When the rows were saved: after 3, since what came again is another copy. */
  for (i : 1 .. CHANGES) {
    for (m : 1 .. 2) {
      if
      :: i != came
      :: else ->
         if
         :: state[m] == LIVE || state[m] == UNEXPLAINED || (state[m] == KEPT && i < by[m]) ->
            if :: i > lacked[m] -> saved[m] = MAX(saved[m], i) :: else fi
#ifndef ERASED_STAYS
         :: state[m] == ERASED && T < i && i <= met_so[m] -> /* it came after T: another message */
            if :: m == c -> state[m] = LIVE; saved[m] = i :: else -> drop(m) fi
#endif
         :: else
         fi
      fi
    }
  }
  for (m : 1 .. 2) {
    if :: state[m] == LIVE -> saw[m] = at; row_seen[m] = MAX(known, second[w]) :: else fi
  }
  if :: !there[at] -> absent_tick = at :: else fi;
  erase_covered();
  tidy();
  promise(known >= position && at >= read_tick, positions_and_content_never_go_back);
  position = known; read_tick = at; read_second = second[w];
  if :: c != 0 -> read_add = last_add[at] :: else fi
}

inline apply(w) {
  knows = KNOWS_MARKER(w);
  for (m : 1 .. 2) { old_state[m] = state[m] }
  reconcile(w);
  for (m : 1 .. 2) {
    if
    :: batch == 0 && old_state[m] != NONE && old_state[m] != ERASED ->
       promise(state[m] != NONE || state[c] == LIVE, looking_keeps_and_purges_nothing)
    :: batch == 0 && state[m] == KEPT -> promise(old_state[m] == KEPT, looking_keeps_and_purges_nothing)
    :: else
    fi;
    old_state[m] = state[m]; old_by[m] = by[m]; old_saved[m] = saved[m]
  }
  old_added = added; old_seen = seen;
  printf("  rows: %d %d, by %d %d, saved %d %d, seen %d, added %d\n",
         state[1], state[2], by[1], by[2], saved[1], saved[2], seen, added);
  reconcile(w);
  promise(old_added == added && old_seen == seen, twice_is_once);
  for (m : 1 .. 2) {
    promise(old_state[m] == state[m] && old_by[m] == by[m] && old_saved[m] == saved[m], twice_is_once)
  }
  revision_moves()
}

/* Sets `changed`: a notice of the batch would change a row, or its position is not reflected. */
inline tells_something() {
  changed = batch == 0; any = state[1] != NONE || state[2] != NONE;
  for (i : 1 .. CHANGES) {
    if
    :: HAS(batch, i) ->
       changed = changed || i > position;
#ifndef SKIP_BY_POSITION
       changed = changed || (INSERTS(i) && !HAS(inserts, i)) || (kind[i] == EXPIRE && !HAS(expiries, i)) ||
                 (any && TAKES(i) && DECIDES(i)) || (any && ADDS(i) && i > added);
       for (m : 1 .. 2) {
         changed = changed || (ADDS(i) && state[m] == KEPT && saved[m] < i && i < by[m]) ||
                   (TAKES(i) && state[m] == UNEXPLAINED && i > row_seen[m] && i > by[m]) ||
                   (ADDS(i) && state[m] == ERASED && T < i && i <= met_so[m])
       }
#endif
    :: else
    fi
  }
}

inline check() {
  look_around();
  /* Said after T, and not what was said before it and is saved again. */
  must = !marked || last_add[changes] > T; c = copy[last_add[changes]];
  for (i : 1 .. CHANGES) {
    must = must && !(marked && last_add[i] <= T && copy[i] != 0 && copy[i] == c)
  }
  if
  :: lossless ->
     promise(!visible || remembered[changes], nothing_lost_nothing_more_is_visible);
     promise(!unexplained, nothing_lost_nothing_is_unexplained);
     promise(!must || copy[changes] == 0 || visible, nothing_lost_all_live_is_visible);
     promise(marked || !remembered[changes] || read_add < last_add[changes] || visible,
             nothing_lost_all_kept_is_visible)
  :: else
  fi
}

/* After what writes rows. */
inline check_write() {
  for (m : 1 .. 2) {
    shows(m);
    promise(!(shown && state[m] == LIVE && marked) || last_add[read_tick] > T, nothing_covered_is_visible);
    c = MAX(by[m], saw[m]);
    promise(!(shown && state[m] == KEPT && marked) || last_add[c] > T, nothing_covered_is_visible)
  }
  check()
}

active [2] proctype worker() {
  byte p, n;
  do
  :: d_step { tick[_pid] == 0 && changes > 0 -> tick[_pid] = changes; second[_pid] = ended;
#ifdef NO_EPOCH
             epoch[_pid] = marked;
#endif
             printf("worker %d reads the item at %d (seconds ended: %d)\n", _pid, changes, ended); in_order() }
  :: atomic { /* commit; without a notice it was a look of the audit */
       tick[_pid] != 0 ->
       batch = 0; p = dead; n = 0;
       do
       :: p < tick[_pid] && n <= MERGED -> p++; if :: batch = batch | (1 << p); n++ :: true fi
       :: else -> break
       od;
       d_step {
         printf("worker %d commits notices %d (bits), read at %d\n", _pid, batch, tick[_pid]);
         apply(_pid); send_back(_pid); in_order(); check_write();
         batch = 0; p = 0; n = 0
       }
     }
  :: atomic { /* skip a notice that tells nothing */
       _pid == 0 && dead < changes -> p = dead + 1;
       do
       :: p < changes -> p++
       :: break
       od;
       d_step {
         batch = 1 << p; tells_something();
         if :: !changed -> printf("worker %d skips notice %d\n", _pid, p); done[p] = true; check() :: else fi;
         batch = 0; p = 0
       }
     }
  :: d_step { tick[_pid] != 0 -> send_back(_pid); in_order() } /* killed, or the write failed: the notice comes again */
  od
}

active proctype chat_app() {
  byte said;
  mtype:change act;
  do
  :: atomic {
       changes < CHANGES ->
       if
       :: !there[changes] -> if :: act = INSERT_WITH :: act = INSERT_WITHOUT fi
       :: there[changes] && copy[changes] == 0 ->
          if :: act = ADD :: act = TOUCH :: act = DELETE :: act = EXPIRE fi
       :: there[changes] && copy[changes] != 0 ->
          if :: act = CAP :: act = EDIT :: act = DELETE :: act = EXPIRE
#ifdef RESTAMPS
          :: times == 1 -> act = RESTAMP /* to a time that nothing else has */
#endif
          fi
       fi;
       said = copy[changes];
       if
       :: act == INSERT_WITH || act == ADD -> if :: said = 1 :: times > 0 -> said = 2 fi
       :: act == RESTAMP -> said = 3 - said
       :: act == TOUCH -> skip
       :: else -> said = 0
       fi;
       d_step {
         was = changes; changes++; times = MAX(times, said);
         kind[changes] = act; copy[changes] = said;
         there[changes] = act != DELETE && act != EXPIRE;
         last_add[changes] = (ADDS(changes) -> changes : last_add[was]);
         deleted[changes] = (act == DELETE -> changes : deleted[was]);
         inserted[changes] = (act == INSERT_WITH || act == INSERT_WITHOUT -> changes : inserted[was]);
         remembered[changes] = said != 0 || (act != EDIT && act != DELETE && remembered[was]);
#ifndef COARSE
         ended = changes;
#endif
         printf("chat app: %d is %e, time said %d\n", changes, kind[changes], copy[changes]);
         said = 0; act = 0
       }
     }
  :: d_step { ended < changes -> ended = changes } /* a second passes */
  od
}

active proctype forgetting() {
#ifdef CLIENT_CLOCK
  if :: clock_ahead = true :: clock_ahead = false fi;
#endif
  d_step { asked = true; T = changes; ended = changes; printf("forget request: T is %d\n", T) }
  d_step {
    marked = true; printf("the marker commits\n");
#ifndef NO_EPOCH
    send_back(0); send_back(1)
#endif
  }
  d_step { /* carried out, late: the rows there are */
    printf("the rows there are, are erased\n"); knows = true; erase_covered(); tidy();
    if :: position > 0 -> revision_moves() :: else fi;
    check_write()
  }
}

#ifdef HORIZON
#ifdef HORIZON_EARLY
#define DEAD(p) true
#else
#define DEAD(p) (dead >= (p))
#endif

active proctype horizon() {
  do
  :: d_step { /* notices too old come no more */
       dead < changes -> dead++; printf("notices up to %d come no more\n", dead); check()
     }
  :: d_step {
       (state[1] == UNEXPLAINED && DEAD(since[1])) || (state[2] == UNEXPLAINED && DEAD(since[2])) ->
       printf("the horizon purges\n");
       for (m : 1 .. 2) { if :: state[m] == UNEXPLAINED && DEAD(since[m]) -> drop(m) :: else fi };
       tidy();
       revision_moves(); check()
     }
  od
}
#endif
