#!/usr/bin/env bash
# Test with several processes on one or several nodes.
# Usage: bash tools/dist_test.sh CONFIG CHECKPOINT GPUS_PER_NODE [options of tools/test.py]
# Several nodes: set NNODES, MASTER_ADDR and PORT to the same values on all, and NODE_RANK on each.
# Without GPUs, GPUS_PER_NODE is the number of processes; they run on the CPU.
set -euo pipefail

if [ $# -lt 3 ]; then
    echo "usage: bash $0 CONFIG CHECKPOINT GPUS_PER_NODE [options of tools/test.py]" >&2
    exit 2
fi

export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
export MKL_NUM_THREADS=${MKL_NUM_THREADS:-1}

exec "${PYTHON:-python}" -m torch.distributed.run \
    --nnodes="${NNODES:-1}" \
    --node_rank="${NODE_RANK:-0}" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" \
    --master_port="${PORT:-29500}" \
    --nproc_per_node="$3" \
    "$(dirname "$0")/test.py" "$1" "$2" --launcher pytorch "${@:4}"
