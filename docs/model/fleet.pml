/*
 * Deliveries through a broker: a git server that publishes, a broker that may forget what it has acknowledged, workers.
 *
 * Events 1..N of one ref and one target, in the order of their pushes. Process 1 is the git server: hooks publish, and `git webhook
 * flush` reads outcomes and publishes again what is heard of no more; it may die at any step, and another run goes on from what lies
 * on its disk. Processes 2..WORKERS+1 are workers, which may die too, and are started anew. One statement is one system call or one
 * answer of the broker.
 *
 * Switches named M_... break one rule each, and `check mutations` runs them: see README.md.
 */

#ifndef N
#define N 2                     /* events */
#endif
#ifndef WORKERS
#define WORKERS 2
#endif
#ifndef KILLS
#define KILLS 1                 /* processes that die */
#endif
#ifndef FORGETS
#define FORGETS 1               /* times that the broker forgets */
#endif
#ifndef LOST
#define LOST 1                  /* acknowledgements that do not arrive */
#endif

#define SERVER 1

#define QUEUED 0                /* in queue/, or its receipt is not settled */
#define PUBLISHED 1             /* in published/ */
#define OVER 2                  /* the outcome is in the log */
#define ALL_OVER (kept[1] == OVER && kept[(N + 1) / 2] == OVER && kept[N] == OVER)      /* of up to three */

/* The git server's disk. Index: the event. */
byte kept[N + 1];

/* The broker. */
byte sequence[N + 1];           /* the message's number in the stream; 0 for none */
byte last = 0;
bit known[N + 1];               /* the id, for as long as it is remembered */
bit outcome[N + 1];
byte holder[N + 1];             /* the worker that has it in hand */

/* What the checks count. */
byte received[N + 1];
byte excused[N + 1];            /* crashes between answer and outcome, and outcomes that were lost */
bit forgot[N + 1];              /* the broker lost it once it had acknowledged it */
byte unrecorded[N + 1];         /* the workers, a bit each, that have an answer and have not told it */
byte kills = 0, forgets = 0, lost = 0;
bit dead[WORKERS + 2];

inline store(e) {
    if
#ifndef NO_IDS
    :: known[e]                                         /* a duplicate */
#endif
    :: else -> last++; sequence[e] = last; known[e] = 1
    fi
}

/* older = a message of the key with a smaller number than the one in hand, or 0. */
inline look_for_older_message() {
    d_step {
        older = 0; j = 1;
        do
        :: j <= N ->
            if
            :: sequence[j] != 0 && sequence[j] < mine -> older = j; break
            :: else -> j++
            fi
        :: else -> break
        od;
        j = 0
    }
}

inline send(e) {
    d_step {
        received[e]++;
        assert(received[e] <= 1 + excused[e]);          /* P2 */
        j = 1;
        do
        :: j < e -> assert(received[j] > 0 || forgot[j]); j++   /* P3 */
        :: else -> break
        od;
        j = 0; unrecorded[e] = unrecorded[e] | (1 << me)
    }
}

proctype Server() {
    byte e, j;
    bit waits;
    byte me = SERVER;

again:
    atomic { dead[me] = 0; e = 1; j = 0; waits = 0 };
    {
    skip;
publish:
    /* In order: what is older and waits comes first. */
    atomic {
        e = 1;
        do
        :: e <= N && kept[e] != QUEUED -> e++
#ifdef M_PASS
        :: e < N && kept[e] == QUEUED -> e++
#endif
        :: e <= N && kept[e] == QUEUED -> break
        :: e > N -> goto hear
        od
    };
    /* The broker has it; whether we hear so is another matter. */
    atomic { store(e) };
    if
    :: atomic { lost < LOST -> lost++; goto publish }
#ifdef M_TRUST_ACK
    :: kept[e] = OVER
#else
    :: kept[e] = PUBLISHED
#endif
    fi;
    goto publish;

hear:
    /* One after the other of those that are published. */
    atomic {
        e = 1;
        do
        :: e <= N && kept[e] != PUBLISHED -> e++
        :: e <= N && kept[e] == PUBLISHED -> break
        :: e <= N && kept[e] == PUBLISHED -> e++
        :: e > N -> break
        od;
        if
        :: e > N && !ALL_OVER -> goto publish
        :: e > N && ALL_OVER -> goto finish
        :: e <= N
        fi
    };
    /* Whether any of its ref waits there is asked before the outcome, which a worker tells before he takes a message out. */
#ifdef M_OUTCOME_FIRST
    if
    :: atomic { outcome[e] -> kept[e] = OVER; goto publish }
    :: !outcome[e]
    fi;
#endif
    d_step {
        waits = 0; j = 1;
        do
        :: j <= N -> if :: sequence[j] != 0 -> waits = 1 :: else fi; j++
        :: else -> break
        od;
        j = 0
    };
#ifndef M_OUTCOME_FIRST
    if
    :: atomic { outcome[e] -> kept[e] = OVER; goto publish }
    :: !outcome[e]
    fi;
#endif
    if
    :: atomic { !waits ->
        assert(forgot[e]);                              /* P6: nothing is late that was not lost */
        known[e] = 0;                                   /* `viaPatience` and more is over */
        kept[e] = QUEUED }
    :: waits
    fi;
    goto publish
    } unless { dead[me] };
    goto again;

finish:
    e = 1;
    do
    :: e <= N -> assert(received[e] > 0); e++           /* P1 */
    :: else -> break
    od
}

proctype Worker(byte me) {
    byte e, j, older, mine;

again:
    atomic { dead[me] = 0; e = 0; j = 0; older = 0; mine = 0 };
    {
    skip;
pull:
    atomic {
        if
        :: e = 1
#if N > 1
        :: e = 2
#endif
#if N > 2
        :: e = 3
#endif
        fi;
        if
        :: sequence[e] != 0 && holder[e] == 0 -> holder[e] = me; mine = sequence[e]
        :: ALL_OVER -> goto finish
        fi
    };
#ifdef M_ACK_FIRST
    atomic { sequence[e] = 0; holder[e] = 0 };
#endif
#ifndef M_NO_FIRST
    atomic {
        look_for_older_message();
        if
        :: older != 0 -> holder[e] = (holder[e] == me -> 0 : holder[e]); goto pull
        :: older == 0
        fi
    };
#endif
#ifndef M_NO_OUTCOME
    if
    :: outcome[e] -> goto settle
    :: !outcome[e]
    fi;
#endif
    send(e);
    atomic { outcome[e] = 1; unrecorded[e] = unrecorded[e] & ~(1 << me) };
settle:
    atomic {
        if
        :: holder[e] == me && sequence[e] == mine -> holder[e] = 0; sequence[e] = 0
        :: else
        fi;
        goto pull
    }
    } unless { dead[me] };
    goto again;
finish:
    skip
}

/* A process dies: what a worker had in hand comes again. */
proctype Crash() {
    byte p, j;

    do
    :: atomic { kills < KILLS ->
        p = 1;
        do
        :: p < WORKERS + 1 -> p++
        :: break
        od;
        kills++; dead[p] = 1; j = 1;
        do
        :: j <= N ->
            if
            :: holder[j] == p -> holder[j] = 0
            :: else
            fi;
            if
            :: (unrecorded[j] >> p) & 1 -> unrecorded[j] = unrecorded[j] & ~(1 << p); excused[j]++
            :: else
            fi;
            j++
        :: else -> break
        od;
        p = 0; j = 0 }
    /* The broker loses its last seconds, from some message on, or its whole disk, with ids and outcomes. */
    :: atomic { forgets < FORGETS ->
        forgets++; p = 1;
        do
        :: p <= last -> p++
        :: break
        od;
        j = 1;
        do
        :: j <= N ->
            if
            :: sequence[j] >= p ->
                excused[j] = excused[j] + (holder[j] != 0 -> 1 : 0);    /* a worker may be about to send it */
                sequence[j] = 0; known[j] = 0; holder[j] = 0; forgot[j] = 1
            :: else
            fi;
            if
            :: p == 1 -> known[j] = 0;
                if
                :: outcome[j] -> outcome[j] = 0; excused[j]++; forgot[j] = 1
                :: else
                fi;
                if
                :: unrecorded[j] -> excused[j]++
                :: else
                fi
            :: else
            fi;
            j++
        :: else -> break
        od;
        p = 0; j = 0 }
    :: ALL_OVER -> break
    od
}

init {
    byte p;
    atomic {
        run Server();
        p = 2;
        do
        :: p <= WORKERS + 1 -> run Worker(p); p++
        :: else -> break
        od;
        run Crash()
    }
}
