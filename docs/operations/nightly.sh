#!/bin/sh
# nightly.sh LOGS OPTIONS...: engine-infer with these options, and a log of each run in the folder LOGS.
# It prints nothing where all went well, and else what a person has to see, which cron sends by mail.
log=$1/$(date +%Y-%m-%dT%H%M%S).log
shift
if ! (: >"$log") 2>/dev/null; then
  echo "engine-infer was not started: its log cannot be written. Make the folder, or name another in the crontab."
  exit 2
fi
engine-infer "$@" --json >"$log" 2>&1
status=$?
case $status in
0) exit 0 ;;
1) echo "Some photos failed, or the command could not begin; the other photos are done. See $log:" ;;
3) echo "All photos failed: the masks or the set-up are likely to be wrong. See $log:" ;;
2) echo "Nothing was done: an option in the crontab is wrong. See $log:" ;;
126 | 127) echo "Nothing was done: there is no engine-infer on the crontab's PATH. See $log:" ;;
*) echo "engine-infer was stopped (status $status); the next night goes on where it was. See $log:" ;;
esac
grep -v -E '"status": "(completed|copied|skipped)"' "$log"
exit $status
