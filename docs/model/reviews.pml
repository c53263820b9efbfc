/*
 * Reviews that push options open: who draws in what pushes did, and in which order.
 *
 * Processes 1..N are hooks, all of pushes of one branch: the first opens its review, the others move it. Each gets the next receipt's
 * number; then, under the lock of the reviews, it draws in all pushes up to its own, and tells what its own did. N+1 is every later
 * run, which nothing kills. One statement is one system call.
 */

#ifndef N
#define N 3
#endif
#ifndef KILLS
#define KILLS 2
#endif

#define LATER (N + 1)

#define OPENS 1
#define MOVES 2

/* Files. Index: the number of the push. */
byte receipts = 0;              /* how many receipts there are: 1..receipts */
byte journal[N + 1];            /* pushes/<number>: what it did; 0 for no file */
byte review = 0;                /* the review's file: the push that it stands after; 0 for none */
byte state = 0;                 /* .state: up to which push all is drawn in */

byte lock = 0;                  /* the holder, 0 for none */
byte told[N + 1];               /* what a push's event said */
byte kills = 0;
byte ended = 0;
bit alive[N + 2];
bit dead[N + 2];
byte dying = 0;

inline tell(k) {
    assert(told[k] == 0 || told[k] == journal[k]);      /* built again it is the same */
    told[k] = journal[k];
    assert(told[k] == (k == 1 -> OPENS : MOVES))        /* and what the push did, whoever was first */
}

proctype Process(byte me) provided (dying == 0 || dead[me]) {
    byte own, k, did;

    {
    if
    :: atomic { me <= N -> alive[me] = 1; receipts++; own = receipts }
    :: atomic { me == LATER && ended == N -> own = receipts }
    fi;
#ifndef M_NO_LOCK
    atomic { lock == 0 -> lock = me };
#endif
    k = state + 1;
#ifdef M_OWN_ALONE
    k = own;
#endif
#ifdef M_STATE_FIRST
    state = (state < own -> own : state);
#endif
next:
    if
    :: atomic { k > own -> goto drawn }
#ifdef M_ANEW
    :: atomic { k <= own -> did = (review == 0 -> OPENS : MOVES) }      /* worked out once more */
#else
    :: atomic { k <= own && journal[k] != 0 -> did = journal[k] }
    :: atomic { k <= own && journal[k] == 0 -> did = (review == 0 -> OPENS : MOVES) }
#endif
    fi;
#ifdef M_REVIEW_FIRST
    review = k;
    journal[k] = did;
#else
    journal[k] = did;
    review = k;
#endif
    k++;
    goto next;
drawn:
    state = (state < own -> own : state);
#ifndef M_NO_LOCK
    lock = 0;
#endif
    if
    :: me <= N -> tell(own)
    :: else ->
        assert(review == receipts);                     /* nothing is left half drawn in, or drawn back */
        k = 1;
        do
        :: k <= receipts -> tell(k); k++
        :: else -> break
        od
    fi
    } unless { dead[me] };

    atomic {
        own = 0; k = 0; did = 0; alive[me] = 0; ended++;
        if
        :: dead[me] -> d_step { dead[me] = 0; dying-- }
        :: else
        fi
    }
}

proctype Crash() {
    byte p;

    do
    :: atomic { dying == 0 && kills < KILLS && ended < N ->
        p = 1;
        do
        :: p < N -> p++
        :: break
        od;
        if
        :: alive[p] -> kills++; dead[p] = 1; dying++; alive[p] = 0; if :: lock == p -> lock = 0 :: else fi
        :: else
        fi;
        p = 0 }
    :: ended >= N -> break
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
