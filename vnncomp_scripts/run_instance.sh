#!/usr/bin/env bash
# run_instance.sh v1 CATEGORY NETWORK.onnx PROPERTY.vnnlib RESULTS TIMEOUT: writes unsat, sat (and the
# counterexample), unknown, timeout or error to RESULTS.
set -u

if [ "$#" -ne 6 ] || [ "$1" != v1 ]; then
    echo "usage: $0 v1 CATEGORY NETWORK.onnx PROPERTY.vnnlib RESULTS TIMEOUT" >&2
    exit 2
fi
onnx=$3 vnnlib=$4 results=$5 timeout=$6
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
python=${ACASXU_PYTHON:-$root/.venv/bin/python}
export PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH}

rm -f "$results"
"$python" -m engine verify "$onnx" "$vnnlib" --timeout "$timeout" --results "$results"
status=$?
# 0 holds, 1 violated, 3 undecided; but an interpreter that does not get as far also exits with 1. Bad input
# or a fault must never look like a verdict.
case $status in
    0 | 1 | 3) [ -s "$results" ] && exit 0 ;;
esac
echo error > "$results"
[ "$status" -gt 1 ] || status=70
exit "$status"
