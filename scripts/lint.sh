#!/bin/sh
# Run every checker, also after one that complains, and fail if any did. The ament linters see
# what colcon installs; they are silent where all is well.
failed=0
check() {
    echo "\$ $*"
    "$@" || failed=1
}
quietly() {
    echo "\$ $*"
    "$@" >.lint.log 2>&1 || { grep -v -e '^checking ' -e '^[*] ' .lint.log; failed=1; }
    rm -f .lint.log
}
check ruff check .
check mypy
quietly ament_flake8 edge_vision launch setup.py
quietly ament_pep257 edge_vision launch setup.py
exit $failed
