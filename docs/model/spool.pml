/*
 * The spool: intents, receipts, queue and log of one repository, one ref, one target.
 *
 * Pushes 1..N move one ref, each from where the one before it left it. Processes 1..N are a
 * push with its hooks, N+1 is `git webhook flush` beside them, N+2 is every later run: it starts
 * when the others have ended, and nothing kills it. One statement is one system call; `atomic`
 * spans two only under the target's lock, on files that its holder alone changes, or where an
 * open file and its flock are checked against its path afterwards.
 *
 * Switches named M_... break one rule each, and `check mutations` runs them: see README.md.
 */

#ifndef N
#define N 2                     /* pushes */
#endif
#ifndef KILLS
#define KILLS 2                 /* crashes: one process dies, or (POWER) all of them */
#endif
#ifndef FAILS
#define FAILS 1                 /* attempts the receiver fails */
#endif

#define FLUSH (N + 1)
#define LATER (N + 2)

/* The ref's value after push k; 0 is where it was before the first record. */
#ifdef BACK                     /* every second push puts back what the one before it replaced */
#define V(k) ((k) % 2)
#else
#define V(k) (k)
#endif

#define NONE 0
#define OPEN 1                  /* in receipts/ */
#define SETTLED 2               /* in settled/ */

#define WAITS 1                 /* in queue/ */
#define RENAMED 2               /* being renamed: a listing may show it, or miss it */

#if defined(M_LOCK_LATE) || defined(M_MARKER)
#define M_AFTER_RENAME
#endif

/* Files. Index: the push; its event's id is the push's number. */
bit intent[N + 1];
#if defined(SLOW) || defined(REPORT)    /* who announces an intent claims it, and (SLOW) takes his time to write its receipt */
byte claimed[N + 1];
#endif
byte receipt[N + 1];
byte number[N + 1];             /* the receipt's sequence number */
byte queue[N + 1];
bit delivered[N + 1];           /* the log has a 2xx line */
bit logged[N + 1];              /* the log has any line */
bit marker[N + 1];              /* pushes/ has a line; only M_MARKER reads it */
byte last = 0;                  /* the last sequence number */
bit down;                       /* the target's state: known dead */

/* Locks: the holder, 0 for none. */
byte target;
byte owner[N + 1];

/* git. */
byte ref = 0;
bit moved[N + 1];               /* the push was accepted */
bit gone[N + 1];                /* its receive-pack has ended */

/* What the checks count. */
byte received[N + 1];           /* deliveries that the receiver took */
byte excused[N + 1];            /* crashes that may have cost the record of one */
byte unrecorded[N + 1];         /* who has a 2xx that is not in the log yet */
byte kills = 0;
byte fails = 0;
byte ended = 0;
bit alive[N + 3];
bit dead[N + 3];
byte dying = 0;                 /* how many have died and are not cleared away yet */

#ifdef POWER
/* Not synced: a power loss may undo it. */
bit fresh_settled[N + 1], fresh_unlink[N + 1], fresh_log[N + 1];
#define FRESH(what) what = 1
#else
#define FRESH(what) skip
#endif

/* An intent becomes a receipt: under v1/lock, by a rename that one process wins. The flock is on
 * the file before the rename, so nobody sees the receipt without its owner. */
inline announce(i) {
    if
    :: intent[i] ->
        assert(moved[i]);           /* P4: no event for a refused push */
        assert(receipt[i] == NONE);
        intent[i] = 0; receipt[i] = OPEN; last++; number[i] = last;
#ifndef M_LOCK_LATE
        owner[i] = me;
#endif
        known = known | (1 << i)        /* made here: nobody else has sent or queued it */
    :: else
    fi
}

#ifdef SLOW
/* A receipt that is on the disk gets its name under v1/lock, unless the event has one by then: its id is the intent's,
 * whoever wrote it. */
inline place(i) {
    if
#ifdef M_BLIND
    :: assert(receipt[i] == NONE)
#else
    :: receipt[i] != NONE -> goto placed
    :: receipt[i] == NONE
#endif
    fi;
    assert(moved[i]);               /* P4: no event for a refused push */
    intent[i] = 0; receipt[i] = OPEN; last++; number[i] = last; owner[i] = me;
    known = known | (1 << i);
}
#endif

/* What follows the rename, in the mutations that have it. */
inline announced(i) {
#ifdef M_LOCK_LATE
    if
    :: atomic { (known >> i) & 1 -> owner[i] = me }
    :: !((known >> i) & 1) -> skip
    fi
#endif
#ifdef M_MARKER
    if
    :: atomic { (known >> i) & 1 -> marker[i] = 1 }
    :: !((known >> i) & 1) -> skip
    fi
#endif
    skip
}

/* One attempt. The receiver fails or takes it. */
inline send(e) {
    atomic {
        if
        :: d_step {
            true ->
            received[e]++;
            assert(received[e] <= 1 + excused[e]);      /* P2 */
            j = 1;
            do
            :: j < e -> assert(received[j] > 0); j++    /* P3 */
            :: else -> break
            od;
            j = 0; unrecorded[e] = me; success = 1 }
        :: fails < FAILS -> fails++; success = 0
        fi
    }
}

inline log_success(e) {
    d_step { delivered[e] = 1; logged[e] = 1; unrecorded[e] = 0; FRESH(fresh_log[e]) }
}

/* older = an unsettled receipt below e's number that another process, or nobody, owns; or 0. */
inline look_for_older_receipt(e) {
    d_step {
        older = 0; j = 1;
        do
        :: j <= N ->
            if
            :: receipt[j] == OPEN && number[j] < number[e] && owner[j] != me -> older = j; break
            :: else -> j++
            fi
        :: else -> break
        od;
        j = 0
    }
}

/* oldest = the waiting record with the lowest number, or 0. */
inline list_queue() {
    d_step {
        oldest = 0; j = 1;
        do
        :: j <= N ->
            if
            :: queue[j] == WAITS && (oldest == 0 || number[j] < number[oldest]) -> oldest = j
            :: else
            fi;
            j++
        :: else -> break
        od;
        j = 0
    }
}

inline list_own() {
    d_step {
        e = 0; i = 0; older = 0; oldest = 0; success = 0; was = 0; seen = 0; decided = 0; balance = 0; j = 1;
        do
        :: j <= N ->
            if
            :: receipt[j] == OPEN && (owner[j] == me || owner[j] == 0) && !((settle >> j) & 1) &&
                (e == 0 || number[j] < number[e]) -> e = j
            :: else
            fi;
            j++
        :: else -> break
        od;
        j = 0
    }
}

/* The ref's records, in the order in which a record moves on, so that none is missed. */
inline list_intents() {
    d_step {
        j = 1;
        do
        :: j <= N -> if :: intent[j] -> seen = seen | (1 << j) :: else fi; j++
        :: else -> break
        od;
        j = 0
    }
}

inline list_receipts() {
    d_step {
        j = 1;
        do
        :: j <= N -> if :: receipt[j] != NONE -> seen = seen | (1 << j); decided = decided | (1 << j) :: else fi; j++
        :: else -> break
        od;
        j = 0
    }
}

/* A walk enters a value as often as it leaves it, but for where it began and where it is:
 * stands = starts from new + (ref is at new) > ends at new + (the oldest record starts from new). */
inline judge(i) {
    d_step {
        balance = (was == V(i) -> 1 : 0); first = 1; j = 1;
        do
        :: j <= N ->
            if
            :: (seen >> j) & 1 ->
    #ifndef M_NO_BEGINNING
                balance = balance - (first && V(j - 1) == V(i) -> 1 : 0);
    #endif
                first = 0;
                balance = balance + (V(j - 1) == V(i) -> 1 : 0);
                balance = balance - (j != i && ((decided >> j) & 1) && V(j) == V(i) -> 1 : 0)
            :: else
            fi;
            j++
        :: else -> break
        od;
        j = 0; first = 0
    }
}

proctype Process(byte me) provided (dying == 0 || dead[me]) {
    byte e, j, i, older, oldest, was, seen, decided, known, settle;
    short balance;
    bit success, first;

    {
    if
#ifdef NO_FLUSH
    :: atomic { me == FLUSH -> goto finish }
#else
    :: atomic { me == FLUSH -> alive[me] = 1; goto settle_intents }
#endif
    :: atomic { me == LATER && ended == N + 1 -> goto settle_intents }
    /* The client names the value it was shown, so the push before has moved the ref. pre-receive
     * that dies before its intent is there refuses the push, as if there had been none. */
    :: atomic { me <= N && (me == 1 || moved[me - 1]) -> alive[me] = 1; intent[me] = 1 }
    :: atomic { me <= N && me > 1 && !moved[me - 1] && gone[me - 1] -> goto finish }
    fi;

    if
    :: atomic { gone[me] = 1; goto finish }                             /* refused by another hook */
    :: atomic { assert(ref == V(me - 1)); ref = V(me); moved[me] = 1 }
#ifdef REPORT
    fi;
    /* receive-report makes its intent a receipt that nobody owns, unless it has no time for that, or one that it follows
     * on has none yet. The client is told afterwards. */
    if
    :: atomic { intent[me] && claimed[me] == 0 ->
        i = 1;
        do
        :: i < me && !intent[i] -> i++
#ifdef M_REPORT_FIRST
        :: i < me && intent[i] -> i++
#else
        :: i < me && intent[i] -> break
#endif
        :: i == me -> intent[me] = 0; receipt[me] = OPEN; last++; number[me] = last; break
        od }
    :: skip
    fi;
    if
    :: skip
    :: atomic { gone[me] = 1; goto finish }
    :: gone[me] = 1
#else
    /* receive-pack dies of SIGPIPE, and post-receive never starts, or runs on without it. */
    :: atomic { ref = V(me); moved[me] = 1; gone[me] = 1; goto finish }
    :: atomic { ref = V(me); moved[me] = 1; gone[me] = 1 }
#endif
    fi;

    /* Its receive-pack's intent; then, in the order in which a record moves on, its receipt. */
    if
    :: atomic { intent[me] -> i = 1 }
    :: atomic { !intent[me] -> skip };
#ifdef M_MARKER
        assert(marker[me]);         /* a fresh receipt: the same line under a second id */
#else
        assert(receipt[me] != NONE);
#endif
        goto settle_intents
    fi;

    /* Intents of this ref that were written before its own come first. The half second of waiting
     * is any time or none here. */
before_own:
    if
#ifdef M_ANY_TIME
    :: atomic { i <= N && !(i != me && V(i) == V(me - 1) && intent[i]) -> i++; goto before_own }
    :: atomic { i <= N && i != me && V(i) == V(me - 1) && intent[i] -> announce(i); i++; goto before_own }
    :: atomic { i > N -> i = me; announce(i) }
#else
#ifdef M_ONE_STEP
    :: atomic { i < me && V(i) != V(me - 1) -> i++; goto before_own }
#endif
#ifdef M_AFTER_RENAME
    :: atomic { i <= me -> announce(i) }
#else
#ifdef SLOW
    :: atomic { i < me && !intent[i] -> i++; goto before_own }
    :: atomic { i < me && intent[i] && claimed[i] == 0 -> claimed[i] = me }
    /* Its own hook finds it claimed, gives up waiting, and takes the ids. */
    :: atomic { i == me -> skip }
#else
    :: atomic { i < me -> announce(i); i++; goto before_own }
    :: atomic { i == me -> announce(i) }
#endif
#endif
#endif
    fi;
#ifdef SLOW
    atomic { place(i);
placed:
        if
        :: claimed[i] == me -> claimed[i] = 0
        :: else
        fi;
        if
        :: i != me -> i++; goto before_own
        :: i == me
        fi
    };
#endif
#ifdef M_AFTER_RENAME
    announced(i);
    atomic {
        if
        :: i == me -> skip
        :: i != me -> i++; goto before_own
        fi
    };
#endif

settle_intents:
    /* In the order in which they were written; the first whose receive-pack lives ends it. A
     * listing is not one step: it may miss what is created while it runs. */
#ifndef HOOKS_SETTLE
    if
    :: me <= N -> goto own_receipts
    :: me > N
    fi;
#endif
    atomic { i = 1; was = 0; seen = 0; decided = 0; balance = 0 };
next_intent:
    if
    :: atomic { i > N -> goto own_receipts }
    :: atomic { i <= N && !intent[i] -> i++; goto next_intent }
#ifdef M_SKIP_LIVING
    :: atomic { i <= N && intent[i] && !gone[i] -> i++; goto next_intent }
#else
    :: atomic { i <= N && intent[i] && !gone[i] -> goto own_receipts }
#endif
    /* The ref before the records: a push that moves it on has left its intent by then. */
#ifdef M_REF_LAST
    :: atomic { i <= N && intent[i] && gone[i] -> skip }
    fi;
#else
    :: atomic { i <= N && intent[i] && gone[i] -> was = ref }
    fi;
#endif
    atomic {
        list_intents();
#ifndef M_STALE_LISTING
        /* This listing began after i was seen, so it has every intent that was written before i. */
        if
#ifdef M_SKIP_LIVING
        :: (seen & ((1 << i) - 1)) != 0 && gone[i - 1] -> goto settle_intents
#else
        :: (seen & ((1 << i) - 1)) != 0 -> goto settle_intents
#endif
        :: else
        fi
#endif
    };
#ifdef M_REF_LAST
    list_receipts();
    atomic { was = ref; judge(i) };
#else
    atomic { list_receipts(); judge(i) };
#endif
#ifdef SLOW
    if
    :: atomic { intent[i] && claimed[i] == 0 -> claimed[i] = me }
    :: atomic { !intent[i] || claimed[i] != 0 -> goto own_receipts }    /* somebody else is at it */
    fi;
    atomic {
        claimed[i] = 0;
        if
        :: !intent[i] || receipt[i] != NONE
        :: intent[i] && receipt[i] == NONE && balance > 0 -> announce(i)
        :: intent[i] && receipt[i] == NONE && balance <= 0 -> assert(!moved[i]); intent[i] = 0
        fi;
        goto settle_intents
    };
#endif
    if
    :: atomic { balance > 0 -> announce(i) }
#ifdef M_AFTER_RENAME
        ; announced(i)
#endif
    :: atomic { balance <= 0 ->
        if
        :: intent[i] -> assert(!moved[i]); intent[i] = 0    /* P1: only a refused push's line is dropped */
        :: else
        fi }
    fi;
    goto settle_intents;

own_receipts:
    /* The lowest that is its own or nobody's: one whose owner is dead is taken over. */
    atomic {
        list_own();
        if
        :: e == 0 -> goto drain
        :: else ->
            owner[e] = me;
            if
            :: (known >> e) & 1 -> goto try_target
            :: else
            fi
        fi
    };

    /* Taken over: the queue first, then the log, for a record leaves one for the other; and any
     * line of the log counts, for a listing may miss a record that is being renamed. */
#ifdef M_NO_LOOK_UP
    goto try_target;
#endif
#ifdef M_LOG_THEN_QUEUE
    if
    :: logged[e] -> goto settled
    :: !logged[e] -> skip
    fi;
    if
    :: queue[e] != NONE -> goto settled
    :: queue[e] != WAITS -> skip
    fi;
#else
    if
    :: queue[e] != NONE -> goto settled
    :: queue[e] != WAITS -> skip
    fi;
    if
#ifdef M_ONLY_2XX
    :: delivered[e] -> goto settled
    :: !delivered[e] -> skip
#else
    :: logged[e] -> goto settled
    :: !logged[e] -> skip
#endif
    fi;
#endif

try_target:
#ifdef M_SETTLE_FIRST
    atomic { receipt[e] = SETTLED; owner[e] = 0; known = known & ~(1 << e); FRESH(fresh_settled[e]) };
#endif
    if
#ifdef M_NO_LOCK
    :: skip
#else
    :: atomic { target == 0 -> target = me }
    :: target != 0 -> goto enqueue
#endif
    fi;

    /* Receipts first, then the queue: an older event leaves one for the other. */
#ifdef M_QUEUE_FIRST
    list_queue();
#endif
    atomic {
        look_for_older_receipt(e);
        if
        :: older == 0
        :: older != 0 && owner[older] == 0 -> goto yield_target
        :: older != 0 && owner[older] != 0 -> goto enqueue
        fi
    };
    atomic {
#ifndef M_QUEUE_FIRST
        list_queue();
#endif
        if
        :: oldest != 0 || down -> goto enqueue
        :: oldest == 0 && (!down || fails > 0)          /* its next time may have come */
        fi
    };

    send(e);
    if
    :: success -> log_success(e); goto unlock
    :: !success -> atomic { queue[e] = WAITS; down = 1 }; atomic { logged[e] = 1; FRESH(fresh_log[e]); goto unlock }
    fi;

enqueue:
    queue[e] = WAITS;
unlock:
    atomic {
        if
        :: target == me -> target = 0
        :: else
        fi
    };
settled:
#ifdef M_LIST_THEN_SETTLE
    settle = settle | (1 << e);
#else
#ifndef M_SETTLE_FIRST
    atomic { receipt[e] = SETTLED; owner[e] = 0; known = known & ~(1 << e); FRESH(fresh_settled[e]) };
#endif
#endif
    goto own_receipts;

yield_target:
    /* The older receipt has no owner: it is taken over before anything newer is sent. */
    atomic {
        if
        :: target == me -> target = 0
        :: else
        fi;
        goto own_receipts
    };

drain:
    /* Whether there is something to send is seen without the lock; so after each unlocking, after
     * queueing and after settling (a settled receipt holds nothing back any more). */
    atomic {
        list_queue(); e = oldest;
        if
        :: e == 0 || (down && me != LATER) -> goto finish
        :: e != 0 && (!down || me == LATER || fails > 0)
        fi
    };
    atomic {
        look_for_older_receipt(e);
        if
        :: older != 0 && owner[older] != 0 -> goto finish   /* its owner lists when it has settled */
        :: else
        fi
    };
    if
#ifdef M_NO_LOCK
    :: skip
#else
    :: atomic { target == 0 -> target = me }
    :: target != 0 -> goto finish                           /* its holder lists after unlocking */
#endif
    fi;

next_record:
    atomic {
        list_queue(); e = oldest; success = 0;
        if
        :: e == 0 -> goto drained
        :: else
        fi
    };
    atomic {
        look_for_older_receipt(e);
        if
        :: older == 0
#ifdef M_DEAD_OWNER_HOLDS_NOTHING
        :: older != 0 && owner[older] == 0
#else
        :: older != 0 && owner[older] == 0 -> goto yield_target
#endif
        :: older != 0 && owner[older] != 0 -> goto drained
        fi
    };
    atomic {
#ifndef M_ONE_LISTING
        /* Again, for an older event may have been queued and its receipt settled since. */
        list_queue();
        if
        :: oldest != e -> goto next_record
        :: else
        fi;
#endif
#ifndef M_DRAIN_WITHOUT_LOG
        if
        :: delivered[e] -> goto unlink                      /* a crash came between log and unlink */
        :: else
        fi
#endif
    };
    send(e);
    if
    :: success -> skip
    :: !success ->
        atomic { logged[e] = 1; down = 1; FRESH(fresh_log[e]) };
        queue[e] = RENAMED;
        queue[e] = WAITS;
        goto drained
    fi;
#ifdef M_UNLINK_THEN_LOG
    atomic { queue[e] = NONE; FRESH(fresh_unlink[e]) };
    log_success(e);
    goto next_record;
#endif
    log_success(e);
unlink:
    atomic { queue[e] = NONE; FRESH(fresh_unlink[e]); down = 0 };
    goto next_record;
drained:
    atomic {
        if
        :: target == me -> target = 0
        :: else
        fi;
#ifdef M_NO_LIST_AFTER_UNLOCK
        goto finish
#else
        goto drain
#endif
    };

finish:
#ifdef M_LIST_THEN_SETTLE
    atomic {
        j = 1;
        do
        :: j <= N -> if :: (settle >> j) & 1 -> receipt[j] = SETTLED; owner[j] = 0 :: else fi; j++
        :: else -> break
        od
    };
#endif
    if
    :: me == LATER ->
        /* Later runs go on while anything waits: the receiver's failures are bounded. */
        atomic {
            list_queue();
            if
            :: oldest != 0 -> goto drain
            :: else
            fi
        };
        assert(target == 0);
        j = 1;
        do
        :: j <= N ->
            assert(!moved[j] || received[j] > 0);       /* P1 */
            assert(!intent[j] && receipt[j] != OPEN);
            j++
        :: else -> break
        od
    :: else
    fi
    } unless { dead[me] };

    atomic {
        e = 0; j = 0; i = 0; older = 0; oldest = 0; was = 0; seen = 0; decided = 0; known = 0;
        settle = 0; balance = 0; success = 0; first = 0;
        alive[me] = 0;
        if
        :: me <= N -> gone[me] = 1
        :: else
        fi;
        ended++;
        if
        :: ended == N + 1 && kills == 0 && fails == 0 ->
            /* P5: without a crash or a failure no record is left for a later run. */
            j = 1;
            do
            :: j <= N -> assert(queue[j] == NONE); j++
            :: else -> break
            od;
            j = 0
        :: else
        fi;
        if
        :: dead[me] -> d_step { dead[me] = 0; dying-- }
        :: else
        fi
    }
}

/* A process dies: its locks go with it, its files stay. */
inline die(p) {
    dead[p] = 1; dying++; alive[p] = 0;
    if :: target == p -> target = 0 :: else fi;
    k = 1;
    do
    :: k <= N ->
        if :: owner[k] == p -> owner[k] = 0 :: else fi;
#ifdef SLOW
        if :: claimed[k] == p -> claimed[k] = 0 :: else fi;
#endif
        if :: unrecorded[k] == p -> unrecorded[k] = 0; excused[k]++ :: else fi;
        if :: queue[k] == RENAMED && target == 0 -> queue[k] = WAITS :: else fi;
        k++
    :: else -> break
    od;
    k = 0
}

proctype Crash() {
    byte p, k;

    do
    :: atomic { dying == 0 && kills < KILLS && ended < N + 1 ->
        p = 1;
        do
        :: p < FLUSH -> p++
        :: break
        od;
        if
        :: alive[p] -> kills++; die(p)
        :: else
        fi;
        p = 0 }
#ifdef POWER
    :: atomic { dying == 0 && kills < KILLS && ended < N + 1 ->
        kills++; p = 1;
        do
        :: p <= FLUSH -> if :: alive[p] -> die(p) :: else fi; p++
        :: else -> break
        od;
        p = 1;
        do
        :: p <= N ->
            if
            :: fresh_log[p] ->
                excused[p] = excused[p] + delivered[p];
                delivered[p] = 0; logged[p] = 0
            :: true
            fi;
            if :: fresh_settled[p] -> receipt[p] = OPEN :: true fi;
            if :: fresh_unlink[p] -> queue[p] = WAITS :: true fi;
            fresh_log[p] = 0; fresh_settled[p] = 0; fresh_unlink[p] = 0;
            p++
        :: else -> break
        od;
        p = 0 }
#endif
    :: ended > N -> break
    od
}

init {
    byte p;
    atomic {
        p = 1;
        do
        :: p <= LATER -> run Process(p); p++
        :: else -> break
        od;
        run Crash()
    }
}
