#!/usr/bin/env bash
# install_tool.sh v1: makes the environment that the other two scripts use.
set -euo pipefail

if [ "$#" -ne 1 ] || [ "$1" != v1 ]; then
    echo "usage: $0 v1" >&2
    exit 2
fi
make -C "$(dirname "${BASH_SOURCE[0]}")/.." install
