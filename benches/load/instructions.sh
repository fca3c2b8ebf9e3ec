#!/bin/sh
# Counts the user-space instructions of one of our servers for a first delivery, by callgrind, and leaves the profile
# behind. A count, unlike a time, is not disturbed by what else runs on the machine.
#
#   cargo build --release --manifest-path benches/load/Cargo.toml
#   benches/load/instructions.sh axum-memory
#
# CALLBACKS says how many (10 000), LINES_SHOWN how long a list of functions is printed (60), PORT where to listen.
set -eu
server=${1:?name a server: axum-memory, for instance}
folder=$(cd "$(dirname "$0")" && pwd)
program=$folder/target/release/postback-load
profile=$folder/target/callgrind.$server
callbacks=${CALLBACKS:-10000} # 64 at least, the number of connections
port=${PORT:-18642}
room=$(mktemp -d)
rm -f "$profile"*
# On one core, so that the runtime has as many threads as under load.
taskset -c 0 valgrind --tool=callgrind --instr-atstart=no --callgrind-out-file="$profile" \
    "$program" serve "$server" --port "$port" --database "$room/game.db" 2>"$room/valgrind" &
process=$!
trap 'kill $process 2>/dev/null; wait $process 2>/dev/null; rm -rf "$room"' EXIT
call() {
    "$program" call --address "127.0.0.1:$port" --connections 64 --warm-up 0 --seconds 600 --load "$1" --callbacks "$2"
}
# Until it listens, and has set up whatever it sets up at the first request; a forged one leaves no trace.
tries=0
until call forged 64 >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ "$tries" -lt 60 ] || { cat "$room/valgrind" >&2; exit 1; }
    sleep 0.5
done
callgrind_control --instr=on $process >/dev/null
call unique "$callbacks" >/dev/null
kill $process
wait $process 2>/dev/null || true
total=$(sed -n 's/^\(summary\|totals\): \([0-9]*\).*/\2/p' "$profile" | head -1)
echo "$server: $((total / callbacks)) instructions for each of $callbacks first deliveries"
callgrind_annotate --auto=no "$profile" | sed -n '/file:function/,$p' | head -n "${LINES_SHOWN:-60}"
