#!/usr/bin/env bash
# prepare_instance.sh v1 CATEGORY NETWORK.onnx PROPERTY.vnnlib: nonzero, so that the instance is skipped,
# where the property cannot be read or the network is of a kind that the tool refuses. Prepares nothing else.
set -u

if [ "$#" -lt 4 ] || [ "$1" != v1 ]; then
    echo "usage: $0 v1 CATEGORY NETWORK.onnx PROPERTY.vnnlib" >&2
    exit 2
fi
onnx=$3 vnnlib=$4
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
python=${ACASXU_PYTHON:-$root/.venv/bin/python}
export PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH}

if [ ! -r "$vnnlib" ]; then
    echo "$vnnlib: cannot be read" >&2
    exit 2
fi
"$python" -m engine info "$onnx" > /dev/null
