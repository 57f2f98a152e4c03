#!/bin/bash
# <{ workflow.cells|length }> images of <{ recipes }> on Slurm, by `goldsmith matrix plan --for slurm`.
#
# Save this file and run it where sbatch is: it submits all jobs, and prints their numbers. The nodes have goldsmith and share the
# directory of the recipes. sbatch takes further options from its variables, such as SBATCH_PARTITION and SBATCH_ACCOUNT.
set -euo pipefail

export GOLDSMITH_REMOTE_CACHE=<{ remote }> GOLDSMITH_REMOTE_CACHE_WRITE=1
<% if trusted %>
export GOLDSMITH_REMOTE_CACHE_TRUST=<{ trusted }>
<% endif %>
<% if key %>
export GOLDSMITH_REMOTE_CACHE_KEY=<{ key }>
<% endif %>
out=<{ out }>

# Runs a command, up to three times: after exit code 11 (this host) and after signals, but after nothing else.
attempt() {
    local code stop='' try
    for try in 1 2 3; do
        "$@" &
        local child=$!
        trap 'stop=1; kill -TERM "$child" 2>/dev/null || true' TERM INT
        code=0
        wait "$child" || code=$?
        if [ -n "$stop" ]; then
            wait "$child" || code=$?
            break
        fi
        if [ "$code" -ne 11 ] && [ "$code" -lt 128 ]; then break; fi
    done
    trap - TERM INT
    return "$code"
}

# On a node: does one job.
if [ $# -gt 0 ]; then
    what=$1 run=$2
    shift 2
    case $what in
    stage) attempt <{ build }> --run "$run" --stage "$1" ;;
    cells)
        cells=("$@")
        attempt <{ build }> --run "$run" --cell "${cells[$SLURM_ARRAY_TASK_ID]}"
        ;;
    collect)
        code=0
        <{ collect }> --run "$run"<% for line in publish %> && attempt <{ line }><% endfor %> || code=$?
        mkdir -p "$out/_jobs"
        echo "$code" >"$out/_jobs/collected-$run"
        exit "$code"
        ;;
    esac
    exit
fi

# Submits one job, and keeps its number in `job`. A job whose stage has failed is cancelled.
self=$(readlink -f "$0")
run=${GOLDSMITH_MATRIX_RUN:-$(date +%Y%m%dT%H%M%S)-$$}
mkdir -p "$out/log"
submit() {
    job=$(sbatch --parsable --comment="goldsmith $run" --requeue --open-mode=append --kill-on-invalid-dep=yes "$@")
    job=${job%%;*}
}

<% for stage in workflow.stages %>
# <{ stage.images|length }> images have the steps up to `<{ stage.last }>`.
submit --job-name=<{ workflow.name }>-stage-<{ stage.number }> --output="$out/log/stage-<{ stage.number }>.log"<% if stage.after is not none %> --dependency="afterok:$stage<{ stage.after }>"<% endif %> "$self" stage "$run" <{ stage.number }>
stage<{ stage.number }>=$job
echo "stage <{ stage.number }>: job $job"
<% endfor %>
all=
<% for piece in pieces %>
submit --job-name=<{ workflow.name }>-cells-<{ piece.number }> --array=0-<{ piece.cells|length - 1 }><% if workflow.at_once is not none %>%<{ workflow.at_once }><% endif %> --output="$out/log/cells-<{ piece.number }>-%a.log"<% if piece.after is not none %> --dependency="afterok:$stage<{ piece.after }>"<% endif %> "$self" cells "$run"<% for cell in piece.cells %> <{ cell.number }><% endfor %>

all=$all:$job
echo "cells<% for cell in piece.cells %> <{ cell.number }><% endfor %>: job $job"
<% endfor %>
submit --job-name=<{ workflow.name }>-collect --output="$out/log/collect.log" --dependency="afterany$all" "$self" collect "$run"
echo "collect: job $job"
