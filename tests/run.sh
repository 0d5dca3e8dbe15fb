#!/usr/bin/env bash
# Every test that the arguments select, as pytest takes them: most of them several at once, because
# they wait more than they compute, then those marked `alone` one after the other. A few that fail
# beside others are judged again with the machine to themselves, and named: three browsers on two
# cores make a picture late that is not. What fails there, too, has failed.
set -euo pipefail
cd "$(dirname "$0")/.."

# More workers than cores: a test mostly waits for a picture or a time-out. Not many more, or
# pictures stutter.
workers=$(($(nproc) + 1))
((workers <= 8)) || workers=8

readonly nothing_selected=5
readonly most_again=5
ran=no failed=no
summary=()

# stage NAME PYTEST-ARGUMENT...
stage() {
    local name=$1 began=$SECONDS code=0
    shift
    printf 'tests: %s\n' "$name"
    .venv/bin/python -m pytest "$@" || code=$?
    case $code in
        0) ran=yes summary+=("$name: good, $((SECONDS - began)) s") ;;
        "$nothing_selected") summary+=("$name: none") ;;
        *) failed=yes summary+=("$name: FAILED, $((SECONDS - began)) s") ;;
    esac
    # Ctrl-C is for all of it, and `-x` wants to see the first failure only.
    ((code != 2)) || finish
}

finish() {
    printf 'tests: %s\n' "${summary[@]}"
    [ "$failed" = no ] && [ "$ran" = yes ]
    exit
}

# judge_again PYTEST-ARGUMENT...: a second verdict for the few that failed in the stage before.
judge_again() {
    local names
    names=$(.venv/bin/python -m pytest -m "not alone" --last-failed --last-failed-no-failures none \
        --collect-only "$@" 2>/dev/null | grep '::' || true)
    [ -n "$names" ] && (($(wc -l <<<"$names") <= most_again)) || return 0
    failed=no
    stage "again, alone: $(tr '\n' ' ' <<<"$names")" -m "not alone" --last-failed "$@"
}

# One at a time to each worker: long tests do not queue behind each other.
stage "$workers at once" -m "not alone" -n "$workers" --dist load --maxschedchunk 1 "$@"
[ "$failed" = no ] || judge_again "$@"
stage "one by one" -m alone "$@"
finish
