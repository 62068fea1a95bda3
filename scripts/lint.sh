#!/bin/sh
# Run every checker, also after one that complains, and fail if any did.
failed=0
for checker in 'ruff check .' 'mypy'; do
    echo "\$ $checker"
    $checker || failed=1
done
exit $failed
